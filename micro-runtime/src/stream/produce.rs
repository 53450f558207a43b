use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures_util::{Stream, StreamExt as _};

use super::sender::Receiver;
use crate::error::{Error, Result};

/// A stream that runs the future which fills it, in the task that reads it: no task is spawned,
/// and dropping the stream drops the future.
pub(super) struct Produce<T, Fut> {
    /// `None` once it returned.
    producer: Option<Pin<Box<Fut>>>,
    outcome: Outcome,
    sent: Receiver<T>,
}

/// How the producer ended, until the reader has everything that was sent before that.
enum Outcome {
    Ok,
    Failed(Error),
    Panicked(Box<dyn Any + Send>),
}

impl<T, Fut> Produce<T, Fut> {
    pub(super) fn new(producer: Fut, sent: Receiver<T>) -> Self {
        Self { producer: Some(Box::pin(producer)), outcome: Outcome::Ok, sent }
    }
}

impl<T, Fut: Future<Output = Result<()>>> Stream for Produce<T, Fut> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        // What was sent goes out first; only then the producer runs on, so that it stays at most
        // one channel ahead of the reader.
        if let Poll::Ready(Some(item)) = this.sent.poll_next_unpin(task) {
            return Poll::Ready(Some(item));
        }
        if let Some(producer) = &mut this.producer {
            let ended = match catch_unwind(AssertUnwindSafe(|| producer.as_mut().poll(task))) {
                Ok(Poll::Pending) => None,
                Ok(Poll::Ready(Ok(()))) => Some(Outcome::Ok),
                Ok(Poll::Ready(Err(error))) => Some(Outcome::Failed(error)),
                Err(panic) => Some(Outcome::Panicked(panic)),
            };
            if let Some(outcome) = ended {
                this.outcome = outcome;
                this.producer = None;
            }
        }
        match this.sent.poll_next_unpin(task) {
            Poll::Ready(Some(item)) => Poll::Ready(Some(item)),
            // The sender was moved out of the producer and lives on elsewhere.
            Poll::Pending => Poll::Pending,
            // The producer dropped its sender and still has something to do.
            Poll::Ready(None) if this.producer.is_some() => Poll::Pending,
            Poll::Ready(None) => match std::mem::replace(&mut this.outcome, Outcome::Ok) {
                Outcome::Ok => Poll::Ready(None),
                Outcome::Failed(error) => Poll::Ready(Some(Err(error))),
                Outcome::Panicked(panic) => resume_unwind(panic),
            },
        }
    }
}

impl<T, Fut> Unpin for Produce<T, Fut> {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use crate::error::{Error, Result};
    use crate::stream::{CHANNEL_CAPACITY, Sender, Streaming};

    #[tokio::test]
    async fn an_error_comes_after_what_was_sent_before_it() {
        let mut stream = Streaming::produce(|mut out: Sender<u32>| async move {
            out.send(1).await?;
            Err(Error::aborted("enough"))
        });
        assert_eq!(stream.next().await.unwrap(), Some(1));
        assert_eq!(stream.next().await.unwrap_err().message(), "enough");
        assert_eq!(stream.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn the_producer_is_held_back_by_its_reader_and_dropped_with_the_stream() -> Result<()> {
        let sent = Arc::new(AtomicUsize::new(0));
        let alive = Arc::new(());
        let (count, witness) = (sent.clone(), alive.clone());
        let mut stream = Streaming::produce(|mut out: Sender<usize>| async move {
            let _witness = witness;
            for n in 0.. {
                out.send(n).await?;
                count.fetch_add(1, Ordering::Relaxed);
            }
            Ok(())
        });
        assert_eq!(sent.load(Ordering::Relaxed), 0, "it runs only as it is read");
        assert_eq!(stream.next().await?, Some(0));
        assert!(sent.load(Ordering::Relaxed) <= CHANNEL_CAPACITY + 1);
        assert_eq!(Arc::strong_count(&alive), 2);
        drop(stream);
        assert_eq!(Arc::strong_count(&alive), 1);
        Ok(())
    }
}

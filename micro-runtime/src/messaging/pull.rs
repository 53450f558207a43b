use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures_util::Stream;
use tokio::sync::{mpsc, oneshot};

use super::consumer::Ended;
use super::{Event, Subscribed};
use crate::error::{Error, Result};

/// The events of a topic, for who asks for them one after the other. It is a stream as well.
///
/// Dropping it ends the subscription; events that were not acknowledged go back to the broker.
pub struct Events<M> {
    received: mpsc::Receiver<Received<M>>,
    consumer: Subscribed,
}

/// An event that was asked for. It is done when it is [acknowledged](Self::ack), and comes again when it is not: when this
/// is dropped as well.
#[must_use = "an event that is not acknowledged comes again"]
pub struct Received<M> {
    event: Event<M>,
    verdict: oneshot::Sender<Result<()>>,
}

/// Where events are handed over to those who ask.
pub(super) struct Hand<M>(mpsc::Sender<Received<M>>);

/// A place where events wait to be asked for.
pub(super) fn channel<M>(room: NonZeroUsize) -> (Hand<M>, mpsc::Receiver<Received<M>>) {
    let (sender, receiver) = mpsc::channel(room.get());
    (Hand(sender), receiver)
}

impl<M> Hand<M> {
    /// Hands an event over and waits for what becomes of it.
    pub(super) async fn hand(&self, event: Event<M>) -> Ended {
        let (verdict, settled) = oneshot::channel();
        if self.0.send(Received { event, verdict }).await.is_err() {
            return Ended::Back;
        }
        match settled.await {
            Ok(verdict) => verdict.into(),
            // Nobody asks any more, and it may have waited to be asked for.
            Err(_) if self.0.is_closed() => Ended::Back,
            Err(_) => Ended::Failed(Error::aborted("the event was dropped and not acknowledged")),
        }
    }
}

impl<M> Clone for Hand<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> Events<M> {
    pub(super) fn new(received: mpsc::Receiver<Received<M>>, consumer: Subscribed) -> Self {
        Self { received, consumer }
    }

    /// The next event; `None` where the broker was closed.
    pub async fn next(&mut self) -> Option<Received<M>> {
        self.received.recv().await
    }

    /// Ends the subscription, and waits until those in hand were acknowledged, for 25 s at the most. Returns how many
    /// were not by then; these go back to the broker.
    pub async fn stop(self) -> usize {
        // Those that wait to be asked for go back.
        drop(self.received);
        self.consumer.stop().await
    }
}

impl<M> Stream for Events<M> {
    type Item = Received<M>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Received<M>>> {
        self.received.poll_recv(task)
    }
}

impl<M> Received<M> {
    /// It was handled, and does not come again.
    pub fn ack(self) {
        self.settle(Ok(()));
    }

    /// It was not handled: it comes again after a while, and is a dead letter when it was tried often enough, or
    /// at once where the error is one [with no retry](Error::with_no_retry).
    pub fn nack(self, error: Error) {
        self.settle(Err(error));
    }

    /// The event alone, which is acknowledged.
    pub fn into_inner(self) -> Event<M> {
        // Nobody listens where the subscription has ended.
        let _ = self.verdict.send(Ok(()));
        self.event
    }

    fn settle(self, verdict: Result<()>) {
        let _ = self.verdict.send(verdict);
    }
}

impl<M> Deref for Received<M> {
    type Target = Event<M>;

    fn deref(&self) -> &Event<M> {
        &self.event
    }
}

impl<M> fmt::Debug for Events<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}

impl<M: fmt::Debug> fmt::Debug for Received<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Received").field(&self.event).finish()
    }
}

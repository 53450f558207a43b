use std::fmt;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use futures_util::{Stream, TryStreamExt as _};
use tokio::sync::mpsc;

use super::CHANNEL_CAPACITY;
use crate::error::{Error, Result};

/// Where a stream's messages are sent.
///
/// In a handler it is the last argument of a method that streams its answers. The stream ends when
/// the sender is dropped, which in a handler is when the method returns.
pub struct Sender<T> {
    channel: mpsc::Sender<Result<T>>,
}

/// The reading end, which the rest of the framework turns into a `Streaming`.
pub(super) struct Receiver<T> {
    channel: mpsc::Receiver<Result<T>>,
}

pub(super) fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(CHANNEL_CAPACITY);
    (Sender { channel: sender }, Receiver { channel: receiver })
}

impl<T: Send> Sender<T> {
    /// Sends one message, after waiting for the reader where it is slower.
    ///
    /// It fails with `canceled` when the reader is gone: nobody will read anything more, so a
    /// handler that ends with `?` here does the right thing.
    pub async fn send(&mut self, message: T) -> Result<()> {
        self.channel.send(Ok(message)).await.map_err(|_| reader_gone())
    }

    /// Sends everything that another stream has.
    pub async fn send_all(&mut self, messages: impl Stream<Item = Result<T>> + Send) -> Result<()> {
        let mut messages = std::pin::pin!(messages);
        while let Some(message) = messages.try_next().await? {
            self.send(message).await?;
        }
        Ok(())
    }

    /// Ends the stream with an error, which the reader gets after everything that was sent before.
    pub async fn fail(self, error: Error) -> Result<()> {
        self.channel.send(Err(error)).await.map_err(|_| reader_gone())
    }

    /// Whether the reader is gone.
    pub fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    /// Waits until the reader is gone.
    pub async fn closed(&self) {
        self.channel.closed().await;
    }
}

#[cold]
fn reader_gone() -> Error {
    Error::canceled("the reader of the stream is gone")
}

impl<T> Stream for Receiver<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        self.channel.poll_recv(task)
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").finish_non_exhaustive()
    }
}

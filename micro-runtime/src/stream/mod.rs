//! Streams of messages: read from a [`Streaming`], write to a [`Sender`].
//!
//! ```
//! # use micro_runtime::{Result, Streaming};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let mut numbers = Streaming::from_iter([1, 2, 3]);
//! let mut sum = 0;
//! while let Some(number) = numbers.next().await? {
//!     sum += number;
//! }
//! assert_eq!(sum, 6);
//! # Ok(())
//! # }
//! ```

mod produce;
mod sender;

use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use futures_util::{Stream, StreamExt as _, stream};

pub use sender::Sender;

use crate::error::Result;
use crate::metadata::Metadata;
use produce::Produce;

/// How many messages a [`Sender`] takes before it waits for the reader.
pub const CHANNEL_CAPACITY: usize = 16;

type Items<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// A stream of messages that arrive.
///
/// Dropping it before its end cancels the other side. It is also a [`Stream`] of
/// `Result<T>`, for everything that works on those.
pub struct Streaming<T> {
    items: Items<T>,
    trailers: Option<Arc<OnceLock<Metadata>>>,
}

impl<T: Send + 'static> Streaming<T> {
    /// A stream from any other stream of results.
    pub fn from_stream(items: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self { items: Box::pin(items), trailers: None }
    }

    /// A stream that has ended.
    pub fn empty() -> Self {
        Self::from_stream(stream::empty())
    }

    /// A pair: what is sent to the [`Sender`] comes out of the stream.
    ///
    /// The sender waits when [`CHANNEL_CAPACITY`] messages are not read yet. The stream ends when
    /// the sender is dropped.
    pub fn channel() -> (Sender<T>, Self) {
        let (sender, receiver) = sender::channel();
        (sender, Self::from_stream(receiver))
    }

    /// A stream whose messages are sent by a future, which runs as the stream is read. An error
    /// of the future ends the stream with that error; dropping the stream drops the future.
    ///
    /// ```
    /// # use micro_runtime::{Result, Sender, Streaming};
    /// let squares = Streaming::produce(|mut out: Sender<u64>| async move {
    ///     for n in 1..=3 {
    ///         out.send(n * n).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    pub fn produce<F, Fut>(producer: F) -> Self
    where
        F: FnOnce(Sender<T>) -> Fut,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        let (sender, receiver) = sender::channel();
        Self::from_stream(Produce::new(producer(sender), receiver))
    }

    /// The same stream with every message changed, and maybe refused.
    pub fn map<U: Send + 'static>(
        self,
        mut change: impl FnMut(T) -> Result<U> + Send + 'static,
    ) -> Streaming<U> {
        Streaming {
            items: Box::pin(self.items.map(move |item| item.and_then(&mut change))),
            trailers: self.trailers,
        }
    }

    pub(crate) fn with_trailers(mut self, trailers: Arc<OnceLock<Metadata>>) -> Self {
        self.trailers = Some(trailers);
        self
    }
}

impl<T> Streaming<T> {
    /// Waits for the next message; `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<T>> {
        self.items.next().await.transpose()
    }

    /// Reads all the rest.
    pub async fn collect(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            all.push(item);
        }
        Ok(all)
    }

    /// The metadata that the remote side sent after its last message. Known once the stream ended.
    pub fn trailers(&self) -> Option<&Metadata> {
        self.trailers.as_ref().and_then(|trailers| trailers.get())
    }
}

impl<T: Send + 'static> FromIterator<T> for Streaming<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let items: Vec<_> = items.into_iter().collect();
        Self::from_stream(stream::iter(items.into_iter().map(Ok)))
    }
}

impl<T> Stream for Streaming<T> {
    type Item = Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        self.items.as_mut().poll_next(task)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.items.size_hint()
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

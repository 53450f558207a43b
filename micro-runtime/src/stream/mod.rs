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
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use futures_util::{Stream, StreamExt as _, stream};
use sync_wrapper::SyncWrapper;

pub use sender::Sender;

use crate::error::Result;
use crate::metadata::{Around, Metadata};
use produce::Produce;

/// How many messages a [`Sender`] takes before it waits for the reader.
pub const CHANNEL_CAPACITY: usize = 16;

type Items<T> = Pin<Box<dyn Stream<Item = Result<T>> + Send>>;

/// A stream of messages that arrive.
///
/// Dropping it before its end cancels the other side. It is also a [`Stream`] of
/// `Result<T>`, for everything that works on those.
pub struct Streaming<T> {
    /// Only ever used by one owner at a time, so that the stream is `Sync` whatever is in it.
    items: SyncWrapper<Items<T>>,
    /// Where it is the answer of a call: the metadata around it.
    around: Option<Arc<Around>>,
}

impl<T: Send + 'static> Streaming<T> {
    /// A stream from any other stream of results.
    pub fn from_stream(items: impl Stream<Item = Result<T>> + Send + 'static) -> Self {
        Self { items: SyncWrapper::new(Box::pin(items)), around: None }
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
            items: SyncWrapper::new(Box::pin(
                self.items.into_inner().map(move |item| item.and_then(&mut change)),
            )),
            around: self.around,
        }
    }

    pub(crate) fn around(&self) -> Option<&Arc<Around>> {
        self.around.as_ref()
    }

    pub(crate) fn with_around(mut self, around: Arc<Around>) -> Self {
        self.around = Some(around);
        self
    }
}

impl<T> Streaming<T> {
    /// Waits for the next message; `None` at the end of the stream.
    pub async fn next(&mut self) -> Result<Option<T>> {
        self.items.get_mut().next().await.transpose()
    }

    /// Reads all the rest.
    pub async fn collect(mut self) -> Result<Vec<T>> {
        let mut all = Vec::new();
        while let Some(item) = self.next().await? {
            all.push(item);
        }
        Ok(all)
    }

    /// The metadata that the remote side sent before its first message, once it is there. In a call
    /// with a stream in both directions that is when the first message is, and otherwise from the
    /// beginning.
    pub fn headers(&self) -> Option<&Metadata> {
        self.around.as_ref().and_then(|around| around.headers.get())
    }

    /// The metadata that the remote side sent after its last message. Known once the stream ended.
    pub fn trailers(&self) -> Option<&Metadata> {
        self.around.as_ref().and_then(|around| around.trailers.get())
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
        self.items.get_mut().as_mut().poll_next(task)
    }
}

impl<T> fmt::Debug for Streaming<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Streaming").finish_non_exhaustive()
    }
}

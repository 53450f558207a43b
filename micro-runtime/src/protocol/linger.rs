//! What becomes of a request that is answered before it was read to its end.

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Version;
use http::header::{EXPECT, HeaderMap};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

/// How long the rest of a request is taken in after its answer.
const LINGER: Duration = Duration::from_secs(1);

/// How much of the rest is taken in, in bytes: enough for a message that was too large by mistake,
/// and not by intent.
pub(super) fn most(max_message_size: usize) -> usize {
    max_message_size.saturating_mul(2)
}

/// A request body whose rest is taken in, for a while, when it is dropped before its end.
///
/// Without that, HTTP/2 resets the stream right behind the answer, with `NO_ERROR` as RFC 9113
/// (section 8.1) has it, and HTTP/1.1 closes the connection while the client still writes. There
/// are clients that then throw the answer away, curl 7.88 for one. So the answer goes out at once,
/// and the client gets the time to look at it. What is taken in is bounded in time and size.
pub(crate) struct Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    /// `None` once it has ended.
    body: Option<B>,
    /// How much of the rest is read, in bytes; `None` where the body ends as it is dropped.
    most: Option<usize>,
}

impl<B> Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    /// The body of a request with these headers.
    pub(crate) fn of(headers: &HeaderMap, body: B, max_message_size: usize) -> Self {
        let body = Self { body: Some(body), most: Some(most(max_message_size)) };
        // A client that expects to be told to go on sends nothing before that or an answer.
        if headers.contains_key(EXPECT) { body.at_once() } else { body }
    }

    /// The same body of a request that is a stream. Who sends one over HTTP/2 looks at the answer
    /// meanwhile, so nothing of it is taken in after that.
    pub(crate) fn of_stream(self, version: Version) -> Self {
        if version < Version::HTTP_2 { self } else { self.at_once() }
    }

    /// Ends the body as it is dropped.
    fn at_once(mut self) -> Self {
        self.most = None;
        self
    }
}

impl<B> Body for Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(task);
        if let Poll::Ready(None | Some(Err(_))) = polled {
            self.body = None;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(B::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or(SizeHint::with_exact(0), B::size_hint)
    }
}

impl<B> Drop for Lingering<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: Send,
{
    fn drop(&mut self) {
        let (Some(body), Some(most)) = (self.body.take(), self.most) else { return };
        if body.is_end_stream() {
            return;
        }
        // Outside of a runtime there is no connection either.
        if let Ok(runtime) = Handle::try_current() {
            drop(runtime.spawn(timeout(LINGER, discard(body, most))));
        }
    }
}

/// Reads the rest and throws it away. After `most` bytes it only holds the body open, and flow
/// control holds the client back.
async fn discard<B>(mut body: B, most: usize)
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Send,
{
    let mut size = 0;
    while size <= most {
        match body.frame().await {
            Some(Ok(frame)) => size += frame.data_ref().map_or(0, Bytes::len),
            _ => return,
        }
    }
    std::future::pending().await
}

//! HTTP bodies: the one we send, and the reading of a whole one with limits.

use std::any::Any;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::endpoint::Encode;
use crate::error::{Error, Result};

/// Messages of a stream that are ready at once share one chunk of about this size, so that many
/// small messages cost few system calls; a message alone is not held back.
const CHUNK: usize = 32 * 1024;

/// The body of a request or response that we send.
pub(crate) enum WireBody {
    Full(Option<Bytes>),
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>),
}

impl WireBody {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }
}

impl Body for WireBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match &mut *self {
            Self::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Stream(body) => body.as_mut().poll_frame(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// What stands behind the last message of a stream: more bytes, trailers, or an error that breaks
/// the stream off.
pub(crate) type End = Box<dyn FnOnce(Result<()>, &mut BytesMut) -> Result<Option<HeaderMap>> + Send>;

/// A stream of messages in envelopes (a byte of flags, four bytes of length), which Connect and
/// gRPC share.
pub(crate) struct Enveloped {
    messages: Pin<Box<dyn Encode>>,
    buffer: BytesMut,
    /// `None` once the messages have ended.
    end: Option<End>,
    trailers: Option<HeaderMap>,
}

impl Enveloped {
    pub(crate) fn new(messages: Pin<Box<dyn Encode>>, end: End) -> Self {
        Self { messages, buffer: BytesMut::new(), end: Some(end), trailers: None }
    }

    /// Takes in the messages that are ready, up to a chunk. `Pending` when there may be more.
    pub(crate) fn poll_fill(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<()>> {
        while self.end.is_some() && self.buffer.len() < CHUNK {
            let start = self.buffer.len();
            self.buffer.put_bytes(0, 5);
            let polled = self.messages.as_mut().poll_encode(task, &mut self.buffer);
            if let Poll::Ready(Some(Ok(()))) = polled {
                let length = self.buffer.len() - start - 5;
                if let Ok(length) = u32::try_from(length) {
                    self.buffer[start + 1..start + 5].copy_from_slice(&length.to_be_bytes());
                    continue;
                }
            }
            self.buffer.truncate(start);
            let ended = match polled {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(()))) => Err(Error::resource_exhausted("a message of over 4 GiB")),
                Poll::Ready(ended) => ended.unwrap_or(Ok(())),
            };
            if let Some(end) = self.end.take() {
                self.trailers = end(ended, &mut self.buffer)?;
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl Body for Enveloped {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        match self.poll_fill(task) {
            Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
            Poll::Pending if self.buffer.is_empty() => return Poll::Pending,
            _ => {}
        }
        if self.buffer.is_empty() {
            return Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
        }
        Poll::Ready(Some(Ok(Frame::data(self.buffer.split().freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() && self.buffer.is_empty() && self.trailers.is_none()
    }
}

/// Limits for the reading of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// The largest message, in bytes.
    pub(crate) max_message_size: usize,
    /// How long the next bytes of a message may take; `None` where a deadline sees to that.
    pub(crate) idle: Option<Duration>,
}

impl ReadLimits {
    /// `size` is exact, or the least that it can be.
    pub(crate) fn check(self, size: u64, exact: bool) -> Result<()> {
        if size <= self.max_message_size as u64 {
            return Ok(());
        }
        let (least, limit) = (if exact { "" } else { "at least " }, self.max_message_size);
        Err(Error::resource_exhausted(format!(
            "a message of {least}{size} bytes is larger than the limit of {limit} bytes \
             (the option `max_message_size` of the side that reads it)"
        )))
    }

    /// Waits for a part of a message, but not for ever.
    pub(crate) async fn next<B>(self, body: &mut B) -> Option<Result<Frame<Bytes>>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let frame = match self.idle {
            Some(idle) => match timeout(idle, body.frame()).await {
                Ok(frame) => frame,
                Err(_) => {
                    let idle = humantime::format_duration(idle);
                    let message = format!(
                        "no byte of the message's rest arrived for {idle} (the option `body_timeout`)"
                    );
                    return Some(Err(Error::deadline_exceeded(message)));
                }
            },
            None => body.frame().await,
        };
        frame.map(|frame| frame.map_err(broken_off))
    }
}

/// The error of a body; one of our own, from below a layer, says it all already.
#[cold]
pub(crate) fn broken_off<E: std::error::Error + Send + Sync + 'static>(error: E) -> Error {
    let mut error = Some(error);
    if let Some(ours) = (&mut error as &mut dyn Any).downcast_mut::<Option<Error>>().and_then(Option::take) {
        return ours;
    }
    let Some(error) = error else { return Error::unavailable("the connection broke off") };
    Error::unavailable(format!("the connection broke off: {error}")).with_source(error)
}

/// Reads a whole body. One that arrives in one piece is not copied.
pub(crate) async fn read_all<B>(mut body: B, limits: ReadLimits) -> Result<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    if let Some(size) = body.size_hint().exact() {
        limits.check(size, true)?;
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = limits.next(&mut body).await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        limits.check(rest.len().max(first.len()) as u64, false)?;
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

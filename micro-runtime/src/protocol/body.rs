//! HTTP bodies: the one we send, and the reading of a whole one with limits.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::envelope::COMPRESSED;
use super::reset;
use crate::codec::Compression;
use crate::context::Incoming;
use crate::endpoint::Encode;
use crate::error::{Code, Error, Result};

/// Messages of a stream that are ready at once share one chunk of about this size, so that many
/// small messages cost few system calls; a message alone is not held back.
const CHUNK: usize = 32 * 1024;

/// The body of a request or response that we send.
pub(crate) enum WireBody {
    Full(Option<Bytes>),
    /// One message in its envelope, and what stands behind it.
    Envelope {
        data: [Option<Bytes>; 2],
        trailers: Option<HeaderMap>,
    },
    Stream(Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>),
}

impl WireBody {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::Full(Some(bytes.into()))
    }

    /// One message in its envelope; with `compressed` if it is that already.
    pub(crate) fn envelope(message: Bytes, compressed: bool, trailers: Option<HeaderMap>) -> Result<Self> {
        let Ok(length) = u32::try_from(message.len()) else { return Err(too_long()) };
        // A small message is copied behind its head, a large one travels on its own.
        let alone = message.len() > CHUNK;
        let mut head = BytesMut::with_capacity(if alone { 5 } else { 5 + message.len() });
        head.put_u8(if compressed { COMPRESSED } else { 0 });
        head.put_u32(length);
        if !alone {
            head.extend_from_slice(&message);
        }
        let data = [Some(head.freeze()), alone.then_some(message)];
        Ok(Self::Envelope { data, trailers })
    }

    /// Nothing but trailers.
    pub(crate) fn trailers(trailers: Option<HeaderMap>) -> Self {
        Self::Envelope { data: [None, None], trailers }
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
            Self::Envelope { data: [first, second], trailers } => {
                let data = first.take().or_else(|| second.take()).map(Frame::data);
                Poll::Ready(data.or_else(|| trailers.take().map(Frame::trailers)).map(Ok))
            }
            Self::Stream(body) => body.as_mut().poll_frame(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Full(bytes) => bytes.as_ref().is_none_or(Bytes::is_empty),
            Self::Envelope { data, trailers } => data.iter().all(Option::is_none) && trailers.is_none(),
            Self::Stream(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Envelope { .. } => SizeHint::default(),
            Self::Stream(body) => body.size_hint(),
        }
    }
}

/// What stands behind the last message of a stream: more bytes, trailers, or an error that breaks
/// the stream off.
pub(crate) type End = Box<dyn FnOnce(Result<()>, &mut BytesMut) -> Result<Option<HeaderMap>> + Send>;

/// How messages are compressed as they are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compress {
    pub(crate) compression: Compression,
    /// The least size to be compressed, in bytes.
    pub(crate) from: usize,
}

impl Compress {
    /// Compresses what stands in the buffer from `start` on, unless it is too small to be worth it.
    /// Returns whether it did.
    pub(crate) fn tail(self, buffer: &mut BytesMut, start: usize) -> Result<bool> {
        if buffer.len() - start < self.from.max(1) {
            return Ok(false);
        }
        let message = buffer.split_off(start);
        self.compression.compress(&message, buffer)?;
        Ok(true)
    }
}

/// A stream of messages in envelopes (a byte of flags, four bytes of length), which Connect, gRPC
/// and gRPC-Web share.
pub(crate) struct Enveloped {
    messages: Pin<Box<dyn Encode>>,
    compress: Option<Compress>,
    buffer: BytesMut,
    /// `None` once the messages have ended.
    end: Option<End>,
    trailers: Option<HeaderMap>,
}

impl Enveloped {
    pub(crate) fn new(messages: Pin<Box<dyn Encode>>, compress: Option<Compress>, end: End) -> Self {
        Self { messages, compress, buffer: BytesMut::new(), end: Some(end), trailers: None }
    }

    /// Runs the handler until it first waits, so that it can set headers. What it waits for may be
    /// the first message of its caller, which can decide what the headers are; then it runs on
    /// from there. It is not waited for longer: there are clients that look at the headers of a
    /// stream long before its first message.
    pub(crate) async fn begin(&mut self, incoming: &Incoming) {
        poll_fn(|task| match self.poll_fill(task) {
            Poll::Pending if self.buffer.is_empty() && incoming.awaits_first() => Poll::Pending,
            // An error shows again when the body is sent.
            _ => Poll::Ready(()),
        })
        .await;
    }

    /// The trailers, where the messages have ended already and nothing stands in front of them.
    pub(crate) fn take_trailers_alone(&mut self) -> Option<HeaderMap> {
        if self.end.is_none() && self.buffer.is_empty() { self.trailers.take() } else { None }
    }

    /// Takes in the messages that are ready, up to a chunk. `Pending` when there may be more.
    fn poll_fill(&mut self, task: &mut TaskContext<'_>) -> Poll<Result<()>> {
        while self.end.is_some() && self.buffer.len() < CHUNK {
            let start = self.buffer.len();
            self.buffer.put_bytes(0, 5);
            let mut polled = self.messages.as_mut().poll_encode(task, &mut self.buffer);
            if let (Poll::Ready(Some(Ok(()))), Some(compress)) = (&polled, self.compress) {
                match compress.tail(&mut self.buffer, start + 5) {
                    Ok(true) => self.buffer[start] = COMPRESSED,
                    Ok(false) => {}
                    Err(error) => polled = Poll::Ready(Some(Err(error))),
                }
            }
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
                Poll::Ready(Some(Ok(()))) => Err(too_long()),
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

    /// The limits of a message that is compressed. What does not shrink by that grows by a little,
    /// which is granted here: the message itself is measured once it is decompressed.
    pub(crate) fn of_encoded(self) -> Self {
        let slack = self.max_message_size / 64 + 256;
        Self { max_message_size: self.max_message_size.saturating_add(slack), ..self }
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

#[cold]
fn too_long() -> Error {
    Error::resource_exhausted("a message of over 4 GiB")
}

/// The error of a body or a connection that did not come to its end.
#[cold]
pub(crate) fn broken_off(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let error: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    // A body of ours that reads another one has words of its own.
    let error = match error.downcast::<Error>() {
        Ok(own) => return *own,
        Err(error) => error,
    };
    let reset = reset::code(&*error);
    let what = if reset.is_some() { "the other side broke the call off" } else { "the connection broke off" };
    Error::new(reset.unwrap_or(Code::Unavailable), format!("{what}: {error}")).with_source(error)
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

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use http_body_util::StreamBody;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_is_read_whole_or_refused_at_the_limit(
            chunks in vec(vec(any::<u8>(), 0..20), 0..6),
            trailers in any::<bool>(),
            limit in 0..80_usize,
        ) {
            let whole = chunks.concat();
            let frames = chunks.into_iter().map(|chunk| Frame::data(Bytes::from(chunk)));
            let last = trailers.then(|| Frame::trailers(HeaderMap::new()));
            let frames = frames.chain(last).map(Ok::<_, std::io::Error>);
            let limits = ReadLimits { max_message_size: limit, idle: None };
            let read = read_all(StreamBody::new(stream::iter(frames)), limits).now_or_never().unwrap();
            match read {
                Ok(read) => prop_assert_eq!(&read[..], &whole[..]),
                Err(error) => {
                    prop_assert_eq!(error.code(), Code::ResourceExhausted);
                    prop_assert!(whole.len() > limit);
                }
            }
        }
    }
}

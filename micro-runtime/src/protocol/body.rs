//! The HTTP bodies that we send.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::{BufMut as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use super::compressing::Compress;
use super::envelope::COMPRESSED;
use crate::context::Incoming;
use crate::endpoint::Encode;
use crate::error::{Error, Result};

/// Messages of a stream that are ready at once share one chunk of about this size, so that many
/// small messages cost few system calls; a message alone is not held back.
const CHUNK: usize = 32 * 1024;

/// What is handed to HTTP at once, in bytes. A message that a slow reader leaves in there is out of the
/// reach of its call's deadline; what is still here is not.
const PIECE: usize = 128 * 1024;

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
            Self::Full(bytes) => Poll::Ready(piece(bytes).map(|bytes| Ok(Frame::data(bytes)))),
            Self::Envelope { data: [first, second], trailers } => {
                let data = first.take().or_else(|| piece(second)).map(Frame::data);
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

/// The next piece of what is left.
fn piece(left: &mut Option<Bytes>) -> Option<Bytes> {
    match left {
        Some(bytes) if bytes.len() > PIECE => Some(bytes.split_to(PIECE)),
        _ => left.take(),
    }
}

/// What stands behind the last message of a stream: more bytes, trailers, or an error that breaks
/// the stream off.
pub(crate) type End = Box<dyn FnOnce(Result<()>, &mut BytesMut) -> Result<Option<HeaderMap>> + Send>;

/// A stream of messages in envelopes (a byte of flags, four bytes of length), which Connect, gRPC
/// and gRPC-Web share.
pub(crate) struct Enveloped {
    messages: Pin<Box<dyn Encode>>,
    compress: Option<Compress>,
    buffer: BytesMut,
    /// `None` once the messages have ended.
    end: Option<End>,
    trailers: Option<HeaderMap>,
    /// How large the last chunk was: the next one will be of about that size.
    last: usize,
}

impl Enveloped {
    pub(crate) fn new(messages: Pin<Box<dyn Encode>>, compress: Option<Compress>, end: End) -> Self {
        Self { messages, compress, buffer: BytesMut::new(), end: Some(end), trailers: None, last: 0 }
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
        if self.buffer.is_empty() && self.end.is_some() {
            self.buffer.reserve(self.last.min(2 * CHUNK));
        }
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
        let length = self.buffer.len().min(PIECE);
        self.last = length;
        Poll::Ready(Some(Ok(Frame::data(self.buffer.split_to(length).freeze()))))
    }

    fn is_end_stream(&self) -> bool {
        self.end.is_none() && self.buffer.is_empty() && self.trailers.is_none()
    }
}

#[cold]
fn too_long() -> Error {
    Error::resource_exhausted("a message of over 4 GiB")
}

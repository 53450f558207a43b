use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _};

use super::Carried;
use super::local::{Local, Wrap};
use super::relay::Relay;
use crate::call::Payload;
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::message::{AnyMessage, Message};
use crate::metadata::Around;
use crate::stream::Streaming;

/// One direction of a method: a message, or a [`Streaming`] of messages. This trait, and not the
/// spelling of a type, decides the shape of a method.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot travel as a message",
    label = "neither a message nor a stream of messages",
    note = "derive it where the type is defined: `#[derive(micro::Message, serde::Serialize, serde::Deserialize)]`",
    note = "a type from another crate can travel inside a message of yours, as a field"
)]
pub trait Body: Sized + Send + 'static + sealed::Sealed {
    /// The type of its messages.
    type Message: Message;

    /// Whether there are any number of messages, and not just one.
    const STREAM: bool;

    /// Reads the body; `explain` words the error of a message that cannot be read.
    #[doc(hidden)]
    fn read(
        inbound: Inbound,
        codec: &Codec,
        explain: impl Fn(Error) -> Error + Send + 'static,
    ) -> Result<Self>;

    #[doc(hidden)]
    fn write(self, codec: &Codec) -> Result<Outbound>;

    /// What is written, where that is one message, which stays.
    #[doc(hidden)]
    fn copied(&self, _codec: &Codec) -> Result<Option<Bytes>> {
        Ok(None)
    }

    #[doc(hidden)]
    fn into_payload(self) -> Payload;

    #[doc(hidden)]
    fn from_payload(payload: Payload) -> Result<Self>;

    /// Writes a payload of this type, whose message may be needed once more.
    #[doc(hidden)]
    fn write_payload(payload: Payload, codec: &Codec) -> Result<Outbound>;

    #[doc(hidden)]
    fn with_around(self, _around: &Arc<Around>) -> Self {
        self
    }

    /// Stands around the messages of a stream.
    #[doc(hidden)]
    fn wrapped(self, wrap: impl Wrap) -> Self;

    /// Runs a handler that answers with this to a caller in the same process.
    #[doc(hidden)]
    fn relay(answer: impl Future<Output = Result<Self>> + Send + 'static, relay: Relay) -> Local;
}

/// The encoded messages of a stream, as they arrive.
pub(crate) type Messages = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// An encoded body that arrived.
pub enum Inbound {
    One(Bytes),
    Many(Messages),
    /// One that is not encoded, because it comes from this process.
    Carried(Carried),
}

impl fmt::Debug for Inbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One",
            Self::Many(_) => "Many",
            Self::Carried(_) => "Carried",
        })
    }
}

/// An encoded body to be sent.
pub enum Outbound {
    One(Bytes),
    Many(Pin<Box<dyn Encode>>),
    /// One that is not encoded yet, because it may stay in this process.
    Carried(Carried),
}

impl fmt::Debug for Outbound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One(_) => "One",
            Self::Many(_) => "Many",
            Self::Carried(_) => "Carried",
        })
    }
}

impl Outbound {
    /// The message of a body that is one.
    pub(crate) fn into_message(self) -> Result<Bytes> {
        match self {
            Self::One(message) => Ok(message),
            Self::Many(_) => Err(Error::internal("a stream is sent where one message is due")),
            Self::Carried(_) => Err(not_encoded()),
        }
    }

    /// As a stream, whatever it is.
    pub(crate) fn into_messages(self) -> Pin<Box<dyn Encode>> {
        match self {
            Self::One(message) => Box::pin(Once(Some(Ok(message)))),
            Self::Many(messages) => messages,
            Self::Carried(_) => Self::failed(not_encoded()),
        }
    }

    /// A stream of nothing but an error.
    pub(crate) fn failed(error: Error) -> Pin<Box<dyn Encode>> {
        Box::pin(Once(Some(Err(error))))
    }
}

#[cold]
fn not_encoded() -> Error {
    Error::internal("a body is sent that was not encoded")
}

struct Once(Option<Result<Bytes>>);

impl Encode for Once {
    fn poll_encode(
        mut self: Pin<&mut Self>,
        _: &mut TaskContext<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<Option<Result<()>>> {
        let once = self.0.take();
        Poll::Ready(once.map(|once| once.map(|message| buffer.extend_from_slice(&message))))
    }
}

/// A stream that encodes each message right into the buffer of whoever frames it.
pub trait Encode: Send {
    /// Appends exactly one encoded message to `buffer`; `None` at the end.
    fn poll_encode(
        self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<Option<Result<()>>>;
}

mod sealed {
    pub trait Sealed {}
    impl<T: super::Message> Sealed for T {}
    impl<T> Sealed for super::Streaming<T> {}
}

impl<T: Message> Body for T {
    type Message = T;
    const STREAM: bool = false;

    fn read(
        inbound: Inbound,
        codec: &Codec,
        explain: impl Fn(Error) -> Error + Send + 'static,
    ) -> Result<Self> {
        match inbound {
            Inbound::One(bytes) => codec.decode(bytes).map_err(explain),
            Inbound::Many(_) => Err(Error::internal("a stream arrived where one message is due")),
            Inbound::Carried(carried) => carried.take(codec, explain),
        }
    }

    fn write(self, codec: &Codec) -> Result<Outbound> {
        let mut buffer = BytesMut::new();
        codec.encode(&self, &mut buffer)?;
        Ok(Outbound::One(buffer.freeze()))
    }

    fn copied(&self, codec: &Codec) -> Result<Option<Bytes>> {
        let mut buffer = BytesMut::new();
        codec.encode(self, &mut buffer)?;
        Ok(Some(buffer.freeze()))
    }

    fn into_payload(self) -> Payload {
        Payload::Message(AnyMessage::new(self))
    }

    fn from_payload(payload: Payload) -> Result<Self> {
        match payload {
            Payload::Message(message) => message.take(),
            Payload::Stream(_) => Err(stream_for_message()),
        }
    }

    fn write_payload(payload: Payload, codec: &Codec) -> Result<Outbound> {
        let Payload::Message(message) = payload else { return Err(stream_for_message()) };
        let mut buffer = BytesMut::new();
        message.encode::<T>(codec, &mut buffer)?;
        Ok(Outbound::One(buffer.freeze()))
    }

    fn wrapped(self, _: impl Wrap) -> Self {
        self
    }

    fn relay(answer: impl Future<Output = Result<Self>> + Send + 'static, relay: Relay) -> Local {
        relay.one(answer)
    }
}

impl<T: Message> Body for Streaming<T> {
    type Message = T;
    const STREAM: bool = true;

    fn read(
        inbound: Inbound,
        codec: &Codec,
        explain: impl Fn(Error) -> Error + Send + 'static,
    ) -> Result<Self> {
        let codec = codec.clone();
        match inbound {
            Inbound::Carried(carried) => carried.take(&codec, explain),
            Inbound::One(bytes) => Ok(Self::from_iter([codec.decode(bytes).map_err(explain)?])),
            Inbound::Many(items) => {
                Ok(Self::from_stream(items.map(move |bytes| codec.decode(bytes?).map_err(&explain))))
            }
        }
    }

    fn write(self, codec: &Codec) -> Result<Outbound> {
        Ok(Outbound::Many(Box::pin(Encoded { items: self, codec: codec.clone() })))
    }

    fn into_payload(self) -> Payload {
        Payload::Stream(self.map(|message| Ok(AnyMessage::new(message))))
    }

    fn from_payload(payload: Payload) -> Result<Self> {
        match payload {
            Payload::Stream(messages) => Ok(messages.map(AnyMessage::take)),
            Payload::Message(_) => Err(Error::internal("an interceptor replaced a stream by a message")),
        }
    }

    fn write_payload(payload: Payload, codec: &Codec) -> Result<Outbound> {
        Self::from_payload(payload)?.write(codec)
    }

    fn with_around(self, around: &Arc<Around>) -> Self {
        Self::with_around(self, around.clone())
    }

    fn wrapped(self, wrap: impl Wrap) -> Self {
        wrap.wrap(self)
    }

    fn relay(answer: impl Future<Output = Result<Self>> + Send + 'static, relay: Relay) -> Local {
        relay.many(answer)
    }
}

#[cold]
fn stream_for_message() -> Error {
    Error::internal("an interceptor replaced a message by a stream")
}

struct Encoded<T> {
    items: Streaming<T>,
    codec: Codec,
}

impl<T: Message> Encode for Encoded<T> {
    fn poll_encode(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<Option<Result<()>>> {
        let item = Pin::new(&mut self.items).poll_next(task);
        item.map(|item| item.map(|message| self.codec.encode(&message?, buffer)))
    }
}

//! Codecs: encodings by content type.
//!
//! A message type brings its own encodings ([`Message::FORMATS`]); a [`Codec`] is the name of one
//! of them, or an encoding that a user added for all serde messages by implementing [`SerdeCodec`].
//! The [`Codecs`] of a server are the ones it reads and writes.

mod compression;
mod table;

use std::fmt;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

pub use compression::Compression;
pub use table::Codecs;
/// What a [`SerdeCodec`] is written against.
pub use {bytes, erased_serde};

use crate::error::{Error, Result};
use crate::message::Message;

/// An encoding, by the name of its content subtype.
#[derive(Clone)]
pub struct Codec(Kind);

#[derive(Clone)]
enum Kind {
    /// Every message type brings its own functions.
    BuiltIn(&'static str),
    Custom(Arc<dyn SerdeCodec>),
}

/// An encoding for every serde message, to be added to a service or a client.
///
/// ```
/// use bytes::{BufMut, BytesMut};
/// use micro_runtime::{Error, Result, codec::SerdeCodec};
///
/// /// JSON with indentation.
/// #[derive(Debug)]
/// struct Pretty;
///
/// impl SerdeCodec for Pretty {
///     fn name(&self) -> &str {
///         "pretty+json"
///     }
///
///     fn encode(&self, message: &dyn erased_serde::Serialize, buffer: &mut BytesMut) -> Result<()> {
///         serde_json::to_writer_pretty(buffer.writer(), message)
///             .map_err(|error| Error::internal("cannot write JSON").with_source(error))
///     }
///
///     fn decode(
///         &self,
///         bytes: &[u8],
///         read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
///     ) -> Result<()> {
///         let mut json = serde_json::Deserializer::from_slice(bytes);
///         read(&mut <dyn erased_serde::Deserializer<'_>>::erase(&mut json))
///     }
/// }
/// ```
pub trait SerdeCodec: fmt::Debug + Send + Sync + 'static {
    /// The content subtype: `cbor` for `application/cbor`.
    fn name(&self) -> &str;

    /// Appends the encoded message to the buffer.
    fn encode(&self, message: &dyn erased_serde::Serialize, buffer: &mut BytesMut) -> Result<()>;

    /// Makes a deserializer over `bytes` and hands it to `read`, once.
    fn decode(
        &self,
        bytes: &[u8],
        read: &mut dyn FnMut(&mut dyn erased_serde::Deserializer<'_>) -> Result<()>,
    ) -> Result<()>;
}

impl Codec {
    /// JSON: `application/json`.
    pub const JSON: Self = Self(Kind::BuiltIn("json"));

    /// Protobuf: `application/proto`. Generated messages have it.
    pub const PROTO: Self = Self(Kind::BuiltIn("proto"));

    /// An encoding that a user brings, for all serde messages.
    pub fn custom(codec: impl SerdeCodec) -> Self {
        Self(Kind::Custom(Arc::new(codec)))
    }

    pub(crate) const fn built_in(name: &'static str) -> Self {
        Self(Kind::BuiltIn(name))
    }

    /// The content subtype: `json`, `proto`, or the name of a user's codec.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::BuiltIn(name) => name,
            Kind::Custom(codec) => codec.name(),
        }
    }

    /// Whether messages whose own encodings have these names can be written in it.
    pub(crate) fn is_one_of(&self, mut formats: impl Iterator<Item = &'static str>) -> bool {
        match &self.0 {
            Kind::BuiltIn(name) => formats.any(|format| format == *name),
            Kind::Custom(_) => true,
        }
    }

    /// Appends the encoded message to the buffer.
    pub fn encode<T: Message>(&self, message: &T, buffer: &mut BytesMut) -> Result<()> {
        match &self.0 {
            Kind::BuiltIn(name) => (find::<T>(name)?.encode)(message, buffer),
            Kind::Custom(codec) => match message.as_serde() {
                Some(message) => codec.encode(message, buffer),
                None => Err(unknown::<T>(codec.name())),
            },
        }
    }

    /// Reads one message from all of the bytes.
    pub fn decode<T: Message>(&self, bytes: Bytes) -> Result<T> {
        match &self.0 {
            Kind::BuiltIn(name) => (find::<T>(name)?.decode)(bytes),
            Kind::Custom(codec) => decode_serde(&**codec, &bytes),
        }
    }
}

fn find<T: Message>(name: &str) -> Result<&'static crate::message::Format<T>> {
    T::FORMATS.iter().find(|format| format.name == name).ok_or_else(|| unknown::<T>(name))
}

#[cold]
fn unknown<T: Message>(name: &str) -> Error {
    let known: Vec<_> = T::FORMATS.iter().map(|format| format.name).collect();
    Error::unimplemented(format!(
        "messages of type `{}` have no `{name}` encoding; known: {}",
        T::SHAPE.name,
        known.join(", ")
    ))
}

fn decode_serde<T: Message>(codec: &dyn SerdeCodec, bytes: &[u8]) -> Result<T> {
    let mut message = None;
    codec.decode(bytes, &mut |deserializer| {
        let read = T::from_serde(deserializer).ok_or_else(|| unknown::<T>(codec.name()))?;
        message = Some(read.map_err(|error| {
            Error::invalid_argument(format!("malformed {}: {error}", codec.name())).with_source(error)
        })?);
        Ok(())
    })?;
    message.ok_or_else(|| Error::internal(format!("the codec `{}` did not call `read`", codec.name())))
}

/// Two codecs are equal when they have the same name.
impl PartialEq for Codec {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name()
    }
}

impl Eq for Codec {}

impl fmt::Debug for Codec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Codec").field(&self.name()).finish()
    }
}

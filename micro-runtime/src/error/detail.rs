use bytes::{Bytes, BytesMut};

use super::{Error, Result};
use crate::message::{Format, Message};

/// A typed detail of an error: the name of a message type and an encoded message of it, which is
/// what `google.protobuf.Any` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    type_name: String,
    value: Bytes,
}

impl Detail {
    /// A detail from bytes that are encoded already. `type_name` is the full name of the message,
    /// `google.rpc.RetryInfo` for example.
    pub fn new(type_name: impl Into<String>, value: impl Into<Bytes>) -> Self {
        Self { type_name: type_name.into(), value: value.into() }
    }

    /// A detail from a message, in its preferred format.
    pub fn of<T: Message>(message: &T) -> Result<Self> {
        let mut value = BytesMut::new();
        (Self::format::<T>()?.encode)(message, &mut value)?;
        Ok(Self::new(T::SHAPE.name, value.freeze()))
    }

    /// The full name of the message type.
    pub fn type_name(&self) -> &str {
        &self.type_name
    }

    /// The encoded message.
    pub fn value(&self) -> &Bytes {
        &self.value
    }

    /// The message, where the detail is of type `T`.
    pub fn decode<T: Message>(&self) -> Option<Result<T>> {
        (self.type_name == T::SHAPE.name)
            .then(|| Self::format::<T>().and_then(|format| (format.decode)(self.value.clone())))
    }

    fn format<T: Message>() -> Result<&'static Format<T>> {
        T::FORMATS.first().ok_or_else(|| Error::internal(format!("`{}` has no encoding", T::SHAPE.name)))
    }
}

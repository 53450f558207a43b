use bytes::{Bytes, BytesMut};

use super::{Error, Result};
use crate::message::{Format, Message, wrapper};

/// The name of the protobuf encoding.
const PROTO: &str = "proto";

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

    /// A detail from a message: as protobuf where the type has it, as those generated from `.proto`
    /// files do, and in its preferred format where it has not.
    ///
    /// Clients in other languages understand only protobuf here.
    pub fn of<T: Message>(message: &T) -> Result<Self> {
        let mut value = BytesMut::new();
        let format = Self::format::<T>()?;
        (format.encode)(message, &mut value)?;
        Ok(Self::new(Self::name_of::<T>(format), value.freeze()))
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
        let format = match Self::format::<T>() {
            Ok(format) => format,
            Err(error) => return Some(Err(error)),
        };
        (self.type_name == Self::name_of::<T>(format)).then(|| (format.decode)(self.value.clone()))
    }

    fn format<T: Message>() -> Result<&'static Format<T>> {
        let protobuf = T::FORMATS.iter().find(|format| format.name == PROTO);
        protobuf
            .or(T::FORMATS.first())
            .ok_or_else(|| Error::internal(format!("`{}` has no encoding", T::SHAPE.name)))
    }

    /// A number or a string alone is in a message that wraps it.
    fn name_of<T: Message>(format: &Format<T>) -> &'static str {
        let name = T::SHAPE.name;
        if format.name == PROTO { wrapper(name).unwrap_or(name) } else { name }
    }
}

#[cfg(all(test, feature = "protobuf"))]
mod tests {
    use super::*;

    #[test]
    fn what_has_a_protobuf_form_is_a_detail_in_that_form() {
        let nothing = Detail::of(&()).unwrap();
        assert_eq!((nothing.type_name(), nothing.value().len()), ("google.protobuf.Empty", 0));
        let text = Detail::of(&"a".to_owned()).unwrap();
        assert_eq!((text.type_name(), &text.value()[..]), ("google.protobuf.StringValue", &b"\n\x01a"[..]));
        assert_eq!(text.decode::<String>().unwrap().unwrap(), "a");
        assert!(text.decode::<bool>().is_none());
    }
}

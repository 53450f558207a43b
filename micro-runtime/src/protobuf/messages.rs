//! The well-known types as messages, for methods that take or return one.
//!
//! They are not serde types, so the codecs that users add for all serde messages do not know them.

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use std::marker::PhantomData;

use super::json::{self, Rule, Written};
use crate::error::{Error, Result};
use crate::message::{Format, Message, Shape, ShapeKind};

macro_rules! well_known {
    ($($ty:ident by $rule:ty, $kind:expr;)*) => {$(
        impl Message for prost_types::$ty {
            const FORMATS: &'static [Format<Self>] = &[
                Format::proto(),
                Format { name: "json", encode: encode::<$rule, Self>, decode: decode::<$rule, Self> },
            ];
            const SHAPE: &'static Shape = &Shape {
                name: concat!("google.protobuf.", stringify!($ty)),
                doc: "",
                kind: $kind,
            };
        }
    )*};
}

well_known! {
    Timestamp by json::Timestamp, ShapeKind::Scalar;
    Duration by json::Duration, ShapeKind::Scalar;
    FieldMask by json::FieldMask, ShapeKind::Scalar;
    Struct by json::Struct, ShapeKind::Map(|| prost_types::Value::SHAPE);
    ListValue by json::ListValue, ShapeKind::List(|| prost_types::Value::SHAPE);
    Value by json::Value, ShapeKind::Opaque;
    // Alone it was compiled together with nothing.
    Any by json::Any<json::NoTypes>, ShapeKind::Opaque;
}

fn encode<R: Rule<T>, T>(message: &T, buffer: &mut BytesMut) -> Result<()> {
    serde_json::to_writer(buffer.writer(), &Written::<R, T>::new(message)).map_err(|error| {
        Error::internal(format!("cannot write the message as JSON: {error}")).with_source(error)
    })
}

fn decode<R: Rule<T>, T>(bytes: Bytes) -> Result<T> {
    (Format::<Ruled<R, T>>::json().decode)(bytes).map(|read| read.0)
}

/// A value that is read by a rule, as serde wants it.
struct Ruled<R, T>(T, PhantomData<R>);

impl<R: Rule<T>, T> Serialize for Ruled<R, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        R::write(&self.0, serializer)
    }
}

impl<'de, R: Rule<T>, T> Deserialize<'de> for Ruled<R, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        R::read(deserializer).map(|value| Self(value, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Codec;

    #[test]
    fn a_well_known_type_is_a_message_in_both_encodings() {
        let time = prost_types::Timestamp { seconds: 1, nanos: 0 };
        for codec in [Codec::JSON, Codec::PROTO] {
            let mut buffer = BytesMut::new();
            codec.encode(&time, &mut buffer).unwrap();
            assert_eq!(codec.decode::<prost_types::Timestamp>(buffer.freeze()).unwrap(), time);
        }
    }

    #[test]
    fn malformed_json_is_the_callers_fault() {
        let error = Codec::JSON
            .decode::<prost_types::Struct>(Bytes::from_static(br#"{"a":[1,{"b":}]}"#))
            .unwrap_err();
        assert_eq!(error.code(), crate::Code::InvalidArgument);
    }
}

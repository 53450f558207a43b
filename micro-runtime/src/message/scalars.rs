//! The messages that need no derive.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

use super::{Format, Message, Shape, ShapeKind};

/// The serde half of a [`Message`] impl.
macro_rules! serde_door {
    () => {
        fn as_serde(&self) -> Option<&dyn erased_serde::Serialize> {
            Some(self)
        }

        fn from_serde(
            deserializer: &mut dyn erased_serde::Deserializer<'_>,
        ) -> Option<Result<Self, erased_serde::Error>> {
            Some(erased_serde::deserialize(deserializer))
        }
    };
}

/// A message for scalars. The protobuf form is that of the well-known wrapper
/// (`google.protobuf.StringValue`…), which is how generated code spells those.
macro_rules! scalars {
    ($($ty:ty => $name:literal $(, $proto:ident)?;)*) => {$(
        impl Message for $ty {
            const FORMATS: &'static [Format<Self>] = &[
                Format::json(),
                $(#[cfg(feature = "protobuf")] Format::$proto(),)?
            ];
            const SHAPE: &'static Shape = &Shape { name: $name, doc: "", kind: ShapeKind::Scalar };
            serde_door!();
        }
    )*};
}

/// The well-known type that holds one scalar of this name.
pub(crate) fn wrapper(scalar: &str) -> Option<&'static str> {
    Some(match scalar {
        "string" => "google.protobuf.StringValue",
        "bytes" => "google.protobuf.BytesValue",
        "bool" => "google.protobuf.BoolValue",
        "int32" => "google.protobuf.Int32Value",
        "int64" => "google.protobuf.Int64Value",
        "uint32" => "google.protobuf.UInt32Value",
        "uint64" => "google.protobuf.UInt64Value",
        "float" => "google.protobuf.FloatValue",
        "double" => "google.protobuf.DoubleValue",
        _ => return None,
    })
}

scalars! {
    String => "string", proto;
    bool => "bool", proto;
    i32 => "int32", proto;
    i64 => "int64", proto;
    u32 => "uint32", proto;
    u64 => "uint64", proto;
    f32 => "float", proto;
    f64 => "double", proto;
    i8 => "int32";
    i16 => "int32";
    u8 => "uint32";
    u16 => "uint32";
    usize => "uint64";
    isize => "int64";
    char => "string";
}

impl Message for serde_json::Value {
    const FORMATS: &'static [Format<Self>] = &[Format::json()];
    const SHAPE: &'static Shape = &Shape { name: "any", doc: "", kind: ShapeKind::Opaque };
    serde_door!();
}

macro_rules! containers {
    ($(<$($param:ident),+> $ty:ty => $name:literal, $kind:ident of $item:ident;)*) => {$(
        impl<$($param),+> Message for $ty
        where
            $($param: Message,)+
            Self: Serialize + DeserializeOwned,
        {
            const FORMATS: &'static [Format<Self>] = &[Format::json()];
            const SHAPE: &'static Shape =
                &Shape { name: $name, doc: "", kind: ShapeKind::$kind(|| $item::SHAPE) };
            serde_door!();
        }
    )*};
}

containers! {
    <T> Vec<T> => "list", List of T;
    <T> Option<T> => "optional", Optional of T;
    <T> BTreeMap<String, T> => "map", Map of T;
    <T> HashMap<String, T> => "map", Map of T;
}

impl<T: Message> Message for Box<T>
where
    Self: Serialize + DeserializeOwned,
{
    const FORMATS: &'static [Format<Self>] = &[Format::json()];
    const SHAPE: &'static Shape = T::SHAPE;
    serde_door!();
}

macro_rules! tuples {
    ($(($($param:ident),+);)*) => {$(
        /// A list in JSON.
        impl<$($param: Message),+> Message for ($($param,)+)
        where
            Self: Serialize + DeserializeOwned,
        {
            const FORMATS: &'static [Format<Self>] = &[Format::json()];
            const SHAPE: &'static Shape = &Shape { name: "tuple", doc: "", kind: ShapeKind::Opaque };
            serde_door!();
        }
    )*};
}

tuples! {
    (A, B);
    (A, B, C);
    (A, B, C, D);
}

/// Nothing: `google.protobuf.Empty`, and `{}` in JSON. `null` and no bytes at all are read as well.
impl Message for () {
    const FORMATS: &'static [Format<Self>] = &[
        Format {
            name: "json",
            encode: |(), buffer| {
                buffer.extend_from_slice(b"{}");
                Ok(())
            },
            decode: |bytes| {
                if bytes.is_empty() {
                    return Ok(());
                }
                serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).map(drop).map_err(|error| {
                    Error::invalid_argument(format!("malformed JSON: {error}")).with_source(error)
                })
            },
        },
        #[cfg(feature = "protobuf")]
        Format::proto(),
    ];
    const SHAPE: &'static Shape =
        &Shape { name: "google.protobuf.Empty", doc: "", kind: ShapeKind::Struct(&[]) };

    fn as_serde(&self) -> Option<&dyn erased_serde::Serialize> {
        Some(self)
    }

    fn from_serde(
        deserializer: &mut dyn erased_serde::Deserializer<'_>,
    ) -> Option<Result<Self, erased_serde::Error>> {
        Some(erased_serde::deserialize::<serde::de::IgnoredAny>(deserializer).map(drop))
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};

    use super::*;

    fn json<T: Message>(text: &'static str) -> crate::Result<T> {
        (T::FORMATS[0].decode)(Bytes::from_static(text.as_bytes()))
    }

    #[test]
    fn nothing_is_written_as_an_empty_object_and_read_in_every_spelling() {
        let mut buffer = BytesMut::new();
        (<() as Message>::FORMATS[0].encode)(&(), &mut buffer).unwrap();
        assert_eq!(&buffer[..], b"{}");
        for text in ["", "{}", "null", " {} ", r#"{"more":1}"#] {
            json::<()>(text).unwrap();
        }
        assert!(json::<()>("{").is_err());
    }

    #[test]
    fn a_wrong_field_is_named() {
        let error = json::<BTreeMap<String, Vec<u32>>>(r#"{"ports":[80,"x"]}"#).unwrap_err();
        assert!(error.message().contains("field `ports[1]`"), "{error}");
        assert!(error.message().contains("line 1 column 16"), "{error}");
    }

    #[test]
    fn what_follows_the_message_is_an_error() {
        let error = json::<u32>("1 2").unwrap_err();
        assert!(error.message().contains("trailing characters at line 1 column 3"), "{error}");
    }
}

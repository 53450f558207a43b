use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Unexpected, Visitor};
use serde::ser::Serializer;

use super::Rule;
use super::decimal;

/// `int32`, `sint32` and `sfixed32`.
#[derive(Debug)]
pub struct Int32;

/// `int64`, `sint64` and `sfixed64`: strings in JSON.
#[derive(Debug)]
pub struct Int64;

/// `uint32` and `fixed32`.
#[derive(Debug)]
pub struct Uint32;

/// `uint64` and `fixed64`: strings in JSON.
#[derive(Debug)]
pub struct Uint64;

macro_rules! integers {
    ($($rule:ident $ty:ident $name:literal, $value:ident $serializer:ident => $write:expr;)*) => {$(
        impl Rule<$ty> for $rule {
            fn write<S: Serializer>($value: &$ty, $serializer: S) -> Result<S::Ok, S::Error> {
                $write
            }

            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<$ty, D::Error> {
                deserializer.deserialize_any(IntegerVisitor { name: $name, of: PhantomData })
            }

            fn is_default(value: &$ty) -> bool {
                *value == 0
            }
        }
    )*};
}

integers! {
    Int32 i32 "int32", value serializer => serializer.serialize_i32(*value);
    Int64 i64 "int64", value serializer => serializer.collect_str(value);
    Uint32 u32 "uint32", value serializer => serializer.serialize_u32(*value);
    Uint64 u64 "uint64", value serializer => serializer.collect_str(value);
}

/// Reads an integer from a number or a string.
pub(super) struct IntegerVisitor<T> {
    /// The protobuf type.
    pub(super) name: &'static str,
    pub(super) of: PhantomData<T>,
}

impl<'de, T: TryFrom<i128>> Visitor<'de> for IntegerVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an integer of type {}", self.name)
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<T, E> {
        T::try_from(value.into()).map_err(|_| E::invalid_value(Unexpected::Signed(value), &self))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<T, E> {
        T::try_from(value.into()).map_err(|_| E::invalid_value(Unexpected::Unsigned(value), &self))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<T, E> {
        // The cast saturates, and no protobuf integer is as wide as what it saturates at.
        let whole = (value.fract() == 0.0).then_some(value as i128);
        let fitting = whole.and_then(|whole| T::try_from(whole).ok());
        fitting.ok_or_else(|| E::invalid_value(Unexpected::Float(value), &self))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        let fitting = decimal::integer(text).and_then(|whole| T::try_from(whole).ok());
        fitting.ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        // Where some crate of the program switched on the `arbitrary_precision` of serde_json, this
        // is how it hands over numbers.
        let number = serde_json::Number::deserialize(MapAccessDeserializer::new(map))?;
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, written};
    use super::*;

    #[test]
    fn numbers_of_64_bits_are_written_as_strings() {
        assert_eq!(written::<Int32, _>(&-5).unwrap(), "-5");
        assert_eq!(written::<Uint32, _>(&5).unwrap(), "5");
        assert_eq!(written::<Int64, _>(&i64::MIN).unwrap(), r#""-9223372036854775808""#);
        assert_eq!(written::<Uint64, _>(&u64::MAX).unwrap(), r#""18446744073709551615""#);
    }

    #[test]
    fn every_spelling_of_a_whole_number_is_read() {
        for text in ["100", "100.0", "1e2", r#""100""#, r#""100.0""#, r#""1e2""#] {
            assert_eq!(read::<Int32, i32>(text).unwrap(), 100, "{text}");
            assert_eq!(read::<Int64, i64>(text).unwrap(), 100, "{text}");
            assert_eq!(read::<Uint32, u32>(text).unwrap(), 100, "{text}");
            assert_eq!(read::<Uint64, u64>(text).unwrap(), 100, "{text}");
        }
        assert_eq!(read::<Uint64, u64>(r#""18446744073709551615""#).unwrap(), u64::MAX);
        assert_eq!(read::<Int64, i64>("-9223372036854775808").unwrap(), i64::MIN);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let error = read::<Int32, i32>("2147483648").unwrap_err().to_string();
        assert!(error.starts_with("invalid value: integer `2147483648`, expected an integer of type int32"));
        for text in ["0.5", "-1", "4294967296", "4294967296.0", r#""4294967296""#, r#""""#, "null", "{}"] {
            assert!(read::<Uint32, u32>(text).is_err(), "{text}");
        }
        assert!(read::<Uint64, u64>("18446744073709551616.0").is_err());
        assert!(read::<Int64, i64>("9223372036854775808.0").is_err());
    }
}

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserializer, Error, Unexpected, Visitor};
use serde::ser::Serializer;

use super::Rule;
use crate::message::{Shape, ShapeKind};

/// An enum, which generated messages hold as its number.
pub struct Enum<E>(PhantomData<E>);

/// `google.protobuf.NullValue`: `null`.
#[derive(Debug)]
pub struct NullValue;

/// What generated code says about an enum.
pub trait EnumNames {
    /// The full name and the values.
    const SHAPE: &'static Shape;

    /// The name of a number, the first one where there are several.
    fn name(number: i32) -> Option<&'static str>;

    /// The number of a name.
    fn number(name: &str) -> Option<i32>;
}

impl<E: EnumNames> Rule<i32> for Enum<E> {
    fn write<S: Serializer>(value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        match E::name(*value) {
            Some(name) => serializer.serialize_str(name),
            None => serializer.serialize_i32(*value),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        deserializer.deserialize_any(EnumVisitor(PhantomData::<E>))
    }

    fn is_default(value: &i32) -> bool {
        *value == 0
    }
}

struct EnumVisitor<E>(PhantomData<E>);

impl<E: EnumNames> Visitor<'_> for EnumVisitor<E> {
    type Value = i32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a name or number of {}", E::SHAPE.name)
    }

    fn visit_str<X: Error>(self, name: &str) -> Result<i32, X> {
        E::number(name).ok_or_else(|| {
            let known: Vec<_> = match E::SHAPE.kind {
                ShapeKind::Enum(variants) => variants.iter().map(|variant| variant.name).collect(),
                _ => Vec::new(),
            };
            let (of, known) = (E::SHAPE.name, known.join(", "));
            X::custom(format_args!("`{name}` is not a value of {of}; known: {known}"))
        })
    }

    fn visit_i64<X: Error>(self, number: i64) -> Result<i32, X> {
        i32::try_from(number).map_err(|_| X::invalid_value(Unexpected::Signed(number), &self))
    }

    fn visit_u64<X: Error>(self, number: u64) -> Result<i32, X> {
        i32::try_from(number).map_err(|_| X::invalid_value(Unexpected::Unsigned(number), &self))
    }

    fn visit_f64<X: Error>(self, number: f64) -> Result<i32, X> {
        let whole = number as i32;
        if f64::from(whole) == number {
            Ok(whole)
        } else {
            Err(X::invalid_value(Unexpected::Float(number), &self))
        }
    }
}

impl Rule<i32> for NullValue {
    fn write<S: Serializer>(_value: &i32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_unit()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i32, D::Error> {
        deserializer.deserialize_any(NullVisitor)
    }

    fn read_nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i32>, D::Error> {
        Self::read(deserializer).map(Some)
    }

    fn is_default(value: &i32) -> bool {
        *value == 0
    }
}

struct NullVisitor;

impl Visitor<'_> for NullVisitor {
    type Value = i32;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("null")
    }

    fn visit_unit<E>(self) -> Result<i32, E> {
        Ok(0)
    }

    fn visit_none<E>(self) -> Result<i32, E> {
        Ok(0)
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<i32, E> {
        match name {
            "NULL_VALUE" => Ok(0),
            _ => Err(E::invalid_value(Unexpected::Str(name), &self)),
        }
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<i32, E> {
        match number {
            0 => Ok(0),
            _ => Err(E::invalid_value(Unexpected::Signed(number), &self)),
        }
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<i32, E> {
        match number {
            0 => Ok(0),
            _ => Err(E::invalid_value(Unexpected::Unsigned(number), &self)),
        }
    }
}

impl<E> fmt::Debug for Enum<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enum")
    }
}

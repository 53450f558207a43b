//! Canonical proto3 JSON, for generated code.
//!
//! One Rust type can be several protobuf types (`i32` is `int32` and every enum), and some types are
//! not ours to implement serde for. So how a value is written and read is a [`Rule`]: a type without
//! values that generated code names for each field. What generated code calls with a rule is in
//! [`fields`] (reading) and [`writer`] (writing).

mod any;
mod bytes;
mod decimal;
mod depth;
mod dynamic;
mod enums;
mod fields;
mod floats;
mod integers;
mod kept;
mod key;
mod mask;
mod message;
mod rest;
mod shapes;
mod simple;
mod tagged;
mod time;
mod types;
mod writer;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

pub use any::Any;
pub use bytes::Base64;
pub use dynamic::{ListValue, Struct, Value};
pub use enums::{Enum, EnumNames, NullValue};
pub use fields::{list, map, member, optional, plain};
pub use floats::{Double, Float};
pub use integers::{Int32, Int64, Uint32, Uint64};
pub use mask::FieldMask;
pub use message::{Fields, Msg, read_message};
pub use shapes::{Describe, list_shape, map_shape, optional_shape, plain_shape};
pub use simple::{Bool, Empty, Str};
pub use time::{Duration, Timestamp};
pub use types::{NoTypes, Type, Types};
pub use writer::Writer;

/// How a `T` is written as JSON and read from it.
pub trait Rule<T>: Sized {
    /// Writes a value.
    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads a value. `null` is an error, unless it is a value of the type.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error>;

    /// Reads a value or `null`.
    fn read_nullable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_option(OptionVisitor(PhantomData::<(Self, T)>))
    }

    /// Whether a field without presence leaves the value out.
    fn is_default(_value: &T) -> bool {
        false
    }
}

/// A value together with its rule, as serde wants it.
pub(crate) struct Written<'a, R, T>(&'a T, PhantomData<R>);

impl<'a, R: Rule<T>, T> Written<'a, R, T> {
    pub(crate) fn new(value: &'a T) -> Self {
        Self(value, PhantomData)
    }
}

impl<R: Rule<T>, T> Serialize for Written<'_, R, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        R::write(self.0, serializer)
    }
}

/// Reads a value by its rule.
struct Read<R, T>(PhantomData<(R, T)>);

impl<'de, R: Rule<T>, T> DeserializeSeed<'de> for Read<R, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        R::read(deserializer)
    }
}

/// Reads a value, or `null`, by its rule.
struct ReadNullable<R, T>(PhantomData<(R, T)>);

impl<'de, R: Rule<T>, T> DeserializeSeed<'de> for ReadNullable<R, T> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        R::read_nullable(deserializer)
    }
}

struct OptionVisitor<R, T>(PhantomData<(R, T)>);

impl<'de, R: Rule<T>, T> Visitor<'de> for OptionVisitor<R, T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        R::read(deserializer).map(Some)
    }
}

/// The start of a name that came from outside, for an error.
fn mistyped(name: &str) -> String {
    const MOST: usize = 100;
    let mut start: String = name.chars().take(MOST).flat_map(char::escape_debug).collect();
    if name.chars().nth(MOST).is_some() {
        start.push('…');
    }
    start
}

/// What the tests of the rules share.
#[cfg(test)]
mod testing {
    use std::marker::PhantomData;

    use serde::de::DeserializeSeed as _;

    use super::{Read, Rule, Written};

    pub(super) fn written<R: Rule<T>, T>(value: &T) -> serde_json::Result<String> {
        serde_json::to_string(&Written::<R, T>::new(value))
    }

    pub(super) fn read<R: Rule<T>, T>(text: &str) -> serde_json::Result<T> {
        let mut json = serde_json::Deserializer::from_str(text);
        let value = Read::<R, T>(PhantomData).deserialize(&mut json)?;
        json.end().map(|()| value)
    }
}

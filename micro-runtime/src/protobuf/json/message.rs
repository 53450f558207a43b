//! Generated messages: objects whose fields are known by name.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::Rule;

/// A generated message, boxed or not.
pub struct Msg<T>(PhantomData<T>);

/// What generated code says about the fields of a message, for reading.
pub trait Fields: Default {
    /// The full name of the message.
    const NAME: &'static str;

    /// The JSON names of the fields; the others are indices into it.
    const NAMES: &'static [&'static str];

    /// The field of a JSON name or original name.
    fn find(name: &str) -> Option<usize>;

    /// Reads the value of a field.
    fn read<'de, A: MapAccess<'de>>(&mut self, field: usize, map: &mut A) -> Result<(), A::Error>;
}

impl<T: Serialize + DeserializeOwned> Rule<T> for Msg<T> {
    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::deserialize(deserializer)
    }
}

impl<T: Serialize + DeserializeOwned> Rule<Box<T>> for Msg<T> {
    fn write<S: Serializer>(value: &Box<T>, serializer: S) -> Result<S::Ok, S::Error> {
        value.serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Box<T>, D::Error> {
        T::deserialize(deserializer).map(Box::new)
    }
}

/// Reads a message. Unknown fields are ignored; a field that is there twice is an error.
pub fn read_message<'de, T: Fields, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(MessageVisitor(PhantomData))
}

struct MessageVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for MessageVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object of type {}", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut message = T::default();
        let mut seen = Seen::default();
        while let Some(field) = map.next_key_seed(ReadName(PhantomData::<T>))? {
            match field {
                Some(field) if seen.is_new(field) => message.read(field, &mut map)?,
                Some(field) => {
                    let name = T::NAMES.get(field).copied().unwrap_or_default();
                    return Err(A::Error::duplicate_field(name));
                }
                None => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(message)
    }
}

/// The name of a field, read without keeping it.
struct ReadName<T>(PhantomData<T>);

impl<'de, T: Fields> DeserializeSeed<'de> for ReadName<T> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T: Fields> Visitor<'_> for ReadName<T> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(T::find(name))
    }
}

/// The fields that were read so far, one bit each; only messages with more than 64 fields allocate.
#[derive(Default)]
struct Seen {
    first: u64,
    more: Vec<u64>,
}

impl Seen {
    fn is_new(&mut self, field: usize) -> bool {
        let (word, bit) = (field / 64, 1_u64 << (field % 64));
        let word = match word.checked_sub(1) {
            None => &mut self.first,
            Some(index) => {
                if self.more.len() <= index {
                    self.more.resize(index + 1, 0);
                }
                // Just made long enough.
                &mut self.more[index]
            }
        };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

impl<T> fmt::Debug for Msg<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Msg")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_new_once_however_many_there_are() {
        let mut seen = Seen::default();
        for field in [0, 63, 64, 127, 128, 1000] {
            assert!(seen.is_new(field), "{field}");
            assert!(!seen.is_new(field), "{field}");
        }
        assert!(seen.is_new(1));
    }
}

//! Map keys, which are strings in JSON whatever their type is.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, Unexpected, Visitor};
use serde::ser::{Serialize, Serializer};

/// A type that can be the key of a map.
pub trait Key: Sized + Eq + Hash + Ord {
    /// Writes the key as a string.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads the key from a string.
    fn parse(text: &str) -> Option<Self>;
}

impl Key for String {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }
}

impl Key for bool {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(if *self { "true" } else { "false" })
    }

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

macro_rules! integer_keys {
    ($($ty:ty)*) => {$(
        impl Key for $ty {
            fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }

            fn parse(text: &str) -> Option<Self> {
                if text.starts_with('+') { None } else { text.parse().ok() }
            }
        }
    )*};
}

integer_keys!(i32 i64 u32 u64);

/// The two types of map that generated messages may have.
pub trait Table<K, V> {
    /// How many entries there are.
    fn len(&self) -> usize;

    /// The entries.
    fn entries<'a>(&'a self) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: 'a,
        V: 'a;

    /// Adds an entry; whether the key is new.
    fn add(&mut self, key: K, value: V) -> bool;
}

impl<K: Key, V, H: BuildHasher> Table<K, V> for HashMap<K, V, H> {
    fn len(&self) -> usize {
        self.len()
    }

    fn entries<'a>(&'a self) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: 'a,
        V: 'a,
    {
        self.iter()
    }

    fn add(&mut self, key: K, value: V) -> bool {
        self.insert(key, value).is_none()
    }
}

impl<K: Key, V> Table<K, V> for BTreeMap<K, V> {
    fn len(&self) -> usize {
        self.len()
    }

    fn entries<'a>(&'a self) -> impl Iterator<Item = (&'a K, &'a V)>
    where
        K: 'a,
        V: 'a,
    {
        self.iter()
    }

    fn add(&mut self, key: K, value: V) -> bool {
        self.insert(key, value).is_none()
    }
}

/// A key as serde wants it.
pub(super) struct WrittenKey<'a, K>(pub(super) &'a K);

impl<K: Key> Serialize for WrittenKey<'_, K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.write(serializer)
    }
}

/// Reads a key.
pub(super) struct ReadKey<K>(pub(super) PhantomData<K>);

impl<'de, K: Key> DeserializeSeed<'de> for ReadKey<K> {
    type Value = K;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<K: Key> Visitor<'_> for ReadKey<K> {
    type Value = K;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a map key of type {}", std::any::type_name::<K>())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<K, E> {
        K::parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn there_and_back<K: Key + std::fmt::Debug>(key: &K) {
        let json = serde_json::to_string(&WrittenKey(key)).unwrap();
        let back = ReadKey::<K>(PhantomData).deserialize(&mut serde_json::Deserializer::from_str(&json));
        assert_eq!(back.unwrap(), *key);
    }

    proptest! {
        #[test]
        fn any_key_comes_back((text, flag) in any::<(String, bool)>(), numbers in any::<(i32, i64, u32, u64)>()) {
            there_and_back(&text);
            there_and_back(&flag);
            there_and_back(&numbers.0);
            there_and_back(&numbers.1);
            there_and_back(&numbers.2);
            there_and_back(&numbers.3);
        }

        #[test]
        fn any_text_is_a_key_or_none(text in "[+-]?[0-9]{0,22}|(true|false|True)|.{0,6}") {
            let digits = text.strip_prefix('-').unwrap_or(&text);
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            prop_assert!(i64::parse(&text).is_none() || is_number);
            prop_assert!(u32::parse(&text).is_none() || is_number);
            prop_assert_eq!(bool::parse(&text).is_some(), text == "true" || text == "false");
        }
    }
}

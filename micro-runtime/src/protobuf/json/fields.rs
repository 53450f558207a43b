//! Reading the value of one field of a generated message.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::key::{Key, ReadKey, Table};
use super::{Read, ReadNullable, Rule};

/// Reads a field without presence: `null` leaves the default.
pub fn plain<'de, R: Rule<T>, T, A: MapAccess<'de>>(map: &mut A, target: &mut T) -> Result<(), A::Error> {
    if let Some(value) = map.next_value_seed(ReadNullable::<R, T>(PhantomData))? {
        *target = value;
    }
    Ok(())
}

/// Reads a field with presence: `null` leaves it unset.
pub fn optional<'de, R: Rule<T>, T, A: MapAccess<'de>>(
    map: &mut A,
    target: &mut Option<T>,
) -> Result<(), A::Error> {
    *target = map.next_value_seed(ReadNullable::<R, T>(PhantomData))?;
    Ok(())
}

/// Reads a repeated field: `null` leaves it empty, but is no element.
pub fn list<'de, R: Rule<T>, T, A: MapAccess<'de>>(map: &mut A, target: &mut Vec<T>) -> Result<(), A::Error> {
    map.next_value_seed(ListReader::<R, T> { target, rule: PhantomData })
}

/// Reads a map field: `null` leaves it empty, but is no value.
pub fn map<'de, R: Rule<T>, K: Key, T, C: Table<K, T>, A: MapAccess<'de>>(
    map: &mut A,
    target: &mut C,
) -> Result<(), A::Error> {
    map.next_value_seed(MapReader::<R, K, T, C> { target, rule: PhantomData })
}

/// Reads a member of a `oneof`: `null` does not set it.
pub fn member<'de, R: Rule<T>, T, O, A: MapAccess<'de>>(
    map: &mut A,
    target: &mut Option<O>,
    oneof: &'static str,
    wrap: fn(T) -> O,
) -> Result<(), A::Error> {
    if let Some(value) = map.next_value_seed(ReadNullable::<R, T>(PhantomData))? {
        if target.is_some() {
            return Err(A::Error::custom(format_args!("only one field of `{oneof}` can be set")));
        }
        *target = Some(wrap(value));
    }
    Ok(())
}

struct ListReader<'a, R, T> {
    target: &'a mut Vec<T>,
    rule: PhantomData<R>,
}

impl<'de, R: Rule<T>, T> DeserializeSeed<'de> for ListReader<'_, R, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Rule<T>, T> Visitor<'de> for ListReader<'_, R, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element_seed(Read::<R, T>(PhantomData))? {
            self.target.push(item);
        }
        Ok(())
    }
}

struct MapReader<'a, R, K, T, C> {
    target: &'a mut C,
    rule: PhantomData<(R, K, T)>,
}

impl<'de, R: Rule<T>, K: Key, T, C: Table<K, T>> DeserializeSeed<'de> for MapReader<'_, R, K, T, C> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, R: Rule<T>, K: Key, T, C: Table<K, T>> Visitor<'de> for MapReader<'_, R, K, T, C> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key_seed(ReadKey::<K>(PhantomData))? {
            let value = entries.next_value_seed(Read::<R, T>(PhantomData))?;
            if !self.target.add(key, value) {
                return Err(A::Error::custom("the same key is there twice"));
            }
        }
        Ok(())
    }
}

//! Writing a generated message, field by field.

use std::fmt;
use std::marker::PhantomData;

use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::key::{Key, Table, WrittenKey};
use super::{Rule, Written};

/// An object that is being written.
pub struct Writer<M>(M);

impl<M: SerializeMap> Writer<M> {
    /// Begins an object.
    pub fn new<S>(serializer: S) -> Result<Self, S::Error>
    where
        S: Serializer<SerializeMap = M, Error = M::Error>,
    {
        serializer.serialize_map(None).map(Self)
    }

    /// Writes a field without presence, unless it is the default.
    pub fn plain<R: Rule<T>, T>(&mut self, name: &'static str, value: &T) -> Result<(), M::Error> {
        if R::is_default(value) { Ok(()) } else { self.entry::<R, T>(name, value) }
    }

    /// Writes a field with presence, where it is set.
    pub fn optional<R: Rule<T>, T>(&mut self, name: &'static str, value: &Option<T>) -> Result<(), M::Error> {
        match value {
            Some(value) => self.entry::<R, T>(name, value),
            None => Ok(()),
        }
    }

    /// Writes a field whatever it is.
    pub fn entry<R: Rule<T>, T>(&mut self, name: &'static str, value: &T) -> Result<(), M::Error> {
        self.0.serialize_entry(name, &Written::<R, T>::new(value))
    }

    /// Writes a repeated field, unless it is empty.
    pub fn list<R: Rule<T>, T>(&mut self, name: &'static str, values: &[T]) -> Result<(), M::Error> {
        if values.is_empty() {
            return Ok(());
        }
        self.0.serialize_entry(name, &WrittenList::<R, T>(values, PhantomData))
    }

    /// Writes a map field, unless it is empty.
    pub fn map<R: Rule<T>, K: Key, T, C: Table<K, T>>(
        &mut self,
        name: &'static str,
        values: &C,
    ) -> Result<(), M::Error> {
        if values.len() == 0 {
            return Ok(());
        }
        self.0.serialize_entry(name, &WrittenMap::<R, K, T, C>(values, PhantomData))
    }

    /// Ends the object.
    pub fn end(self) -> Result<M::Ok, M::Error> {
        self.0.end()
    }
}

struct WrittenList<'a, R, T>(&'a [T], PhantomData<R>);

impl<R: Rule<T>, T> Serialize for WrittenList<'_, R, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0.len()))?;
        for item in self.0 {
            list.serialize_element(&Written::<R, T>::new(item))?;
        }
        list.end()
    }
}

struct WrittenMap<'a, R, K, T, C>(&'a C, PhantomData<(R, K, T)>);

impl<R: Rule<T>, K: Key, T, C: Table<K, T>> Serialize for WrittenMap<'_, R, K, T, C> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in self.0.entries() {
            map.serialize_entry(&WrittenKey(key), &Written::<R, T>::new(value))?;
        }
        map.end()
    }
}

impl<M> fmt::Debug for Writer<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Writer")
    }
}

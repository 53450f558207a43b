//! Types by name: what can be inside a `google.protobuf.Any`.
//!
//! Generated code has a table of the messages that were compiled together, and every field of type
//! `Any` of these messages names it. So there is no registry to fill, and nothing to forget.

use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::{DeserializeOwned, DeserializeSeed as _};

use super::{
    Any, Base64, Bool, Double, Duration, Empty, FieldMask, Float, Int32, Int64, ListValue, Msg, Read, Rule,
    Str, Struct, Timestamp, Uint32, Uint64, Value, Written,
};

/// A table of types.
pub trait Types: 'static {
    /// The types, sorted by name.
    const ALL: &'static [Type];
}

/// No types but those that are always known.
#[derive(Debug)]
pub struct NoTypes;

impl Types for NoTypes {
    const ALL: &'static [Type] = &[];
}

/// A type that can be inside a `google.protobuf.Any`.
pub struct Type {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) write: fn(&[u8], Write<'_>) -> Result<(), prost::DecodeError>,
    pub(super) read: fn(&mut dyn erased_serde::Deserializer<'_>) -> Result<Vec<u8>, erased_serde::Error>,
}

/// Is called once with the decoded message.
type Write<'a> = &'a mut dyn FnMut(&dyn erased_serde::Serialize);

/// Where the JSON of a type stands.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// Its fields are beside `@type`.
    Fields,
    /// It is the field `value`.
    Value,
}

impl Type {
    /// A generated message of this full name.
    pub const fn of<T>(name: &'static str) -> Self
    where
        T: prost::Message + Default + Serialize + DeserializeOwned,
    {
        Self::new::<Msg<T>, T>(name, Form::Fields)
    }

    const fn new<R: Rule<T>, T: prost::Message + Default>(name: &'static str, form: Form) -> Self {
        Self { name, form, write: write::<R, T>, read: read::<R, T> }
    }
}

/// The type of this name, in the table or well-known.
pub(super) fn find<T: Types>(name: &str) -> Option<&'static Type> {
    let table = match name.starts_with("google.protobuf.") {
        true => WellKnown::<T>::ALL,
        false => T::ALL,
    };
    table.binary_search_by(|known| known.name.cmp(name)).ok().and_then(|index| table.get(index))
}

fn write<R: Rule<T>, T: prost::Message + Default>(
    bytes: &[u8],
    write: Write<'_>,
) -> Result<(), prost::DecodeError> {
    write(&Written::<R, T>::new(&T::decode(bytes)?));
    Ok(())
}

fn read<R: Rule<T>, T: prost::Message>(
    deserializer: &mut dyn erased_serde::Deserializer<'_>,
) -> Result<Vec<u8>, erased_serde::Error> {
    Ok(Read::<R, T>(PhantomData).deserialize(deserializer)?.encode_to_vec())
}

struct WellKnown<T>(PhantomData<T>);

impl<T: Types> WellKnown<T> {
    const ALL: &'static [Type] = &[
        Type::new::<Any<T>, prost_types::Any>("google.protobuf.Any", Form::Value),
        Type::new::<Bool, bool>("google.protobuf.BoolValue", Form::Value),
        Type::new::<Base64, Vec<u8>>("google.protobuf.BytesValue", Form::Value),
        Type::new::<Double, f64>("google.protobuf.DoubleValue", Form::Value),
        Type::new::<Duration, prost_types::Duration>("google.protobuf.Duration", Form::Value),
        Type::new::<Empty, ()>("google.protobuf.Empty", Form::Value),
        Type::new::<FieldMask, prost_types::FieldMask>("google.protobuf.FieldMask", Form::Value),
        Type::new::<Float, f32>("google.protobuf.FloatValue", Form::Value),
        Type::new::<Int32, i32>("google.protobuf.Int32Value", Form::Value),
        Type::new::<Int64, i64>("google.protobuf.Int64Value", Form::Value),
        Type::new::<ListValue, prost_types::ListValue>("google.protobuf.ListValue", Form::Value),
        Type::new::<Str, String>("google.protobuf.StringValue", Form::Value),
        Type::new::<Struct, prost_types::Struct>("google.protobuf.Struct", Form::Value),
        Type::new::<Timestamp, prost_types::Timestamp>("google.protobuf.Timestamp", Form::Value),
        Type::new::<Uint32, u32>("google.protobuf.UInt32Value", Form::Value),
        Type::new::<Uint64, u64>("google.protobuf.UInt64Value", Form::Value),
        Type::new::<Value, prost_types::Value>("google.protobuf.Value", Form::Value),
    ];
}

impl fmt::Debug for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Type").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_well_known_types_are_sorted_and_all_are_found() {
        let all = WellKnown::<NoTypes>::ALL;
        assert!(all.is_sorted_by_key(|known| known.name));
        for known in all {
            assert_eq!(find::<NoTypes>(known.name).unwrap().name, known.name);
        }
        assert!(find::<NoTypes>("google.protobuf.Api").is_none());
        assert!(find::<NoTypes>("").is_none());
    }
}

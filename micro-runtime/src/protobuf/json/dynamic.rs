//! `google.protobuf.Struct`, `Value` and `ListValue`: any JSON.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::marker::PhantomData;

use prost_types::value::Kind;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, SerializeSeq, Serializer};

use super::{Read, Rule, Written};

/// `google.protobuf.Struct`: any object.
#[derive(Debug)]
pub struct Struct;

/// `google.protobuf.Value`: anything, `null` included.
#[derive(Debug)]
pub struct Value;

/// `google.protobuf.ListValue`: any list.
#[derive(Debug)]
pub struct ListValue;

impl Rule<prost_types::Struct> for Struct {
    fn write<S: Serializer>(value: &prost_types::Struct, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(value.fields.len()))?;
        for (name, value) in &value.fields {
            map.serialize_entry(name, &Written::<Value, _>::new(value))?;
        }
        map.end()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::Struct, D::Error> {
        deserializer.deserialize_map(StructVisitor)
    }
}

impl Rule<prost_types::ListValue> for ListValue {
    fn write<S: Serializer>(value: &prost_types::ListValue, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(value.values.len()))?;
        for value in &value.values {
            list.serialize_element(&Written::<Value, _>::new(value))?;
        }
        list.end()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::ListValue, D::Error> {
        deserializer.deserialize_seq(ListVisitor)
    }
}

impl Rule<prost_types::Value> for Value {
    fn write<S: Serializer>(value: &prost_types::Value, serializer: S) -> Result<S::Ok, S::Error> {
        match &value.kind {
            None | Some(Kind::NullValue(_)) => serializer.serialize_unit(),
            Some(Kind::BoolValue(value)) => serializer.serialize_bool(*value),
            Some(Kind::NumberValue(value)) => write_number(*value, serializer),
            Some(Kind::StringValue(value)) => serializer.serialize_str(value),
            Some(Kind::StructValue(value)) => Struct::write(value, serializer),
            Some(Kind::ListValue(value)) => ListValue::write(value, serializer),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::Value, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }

    fn read_nullable<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<prost_types::Value>, D::Error> {
        Self::read(deserializer).map(Some)
    }
}

/// A whole number goes out as one (`1` and not `1.0`): there are readers that take only that where
/// they want an integer.
fn write_number<S: Serializer>(value: f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    if !value.is_finite() {
        return Err(S::Error::custom(format_args!("google.protobuf.Value cannot hold {value}")));
    }
    let negative_zero = value == 0.0 && value.is_sign_negative();
    if value.fract() == 0.0 && value.abs() < EXACT && !negative_zero {
        serializer.serialize_i64(value as i64)
    } else {
        serializer.serialize_f64(value)
    }
}

struct StructVisitor;

impl<'de> Visitor<'de> for StructVisitor {
    type Value = prost_types::Struct;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<prost_types::Struct, A::Error> {
        let mut fields = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Read::<Value, prost_types::Value>(PhantomData))?;
            match fields.entry(name) {
                Entry::Vacant(entry) => entry.insert(value),
                Entry::Occupied(entry) => {
                    return Err(A::Error::custom(format_args!("`{}` is there twice", entry.key())));
                }
            };
        }
        Ok(prost_types::Struct { fields })
    }
}

struct ListVisitor;

impl<'de> Visitor<'de> for ListVisitor {
    type Value = prost_types::ListValue;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<prost_types::ListValue, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = items.next_element_seed(Read::<Value, prost_types::Value>(PhantomData))? {
            values.push(value);
        }
        Ok(prost_types::ListValue { values })
    }
}

struct ValueVisitor;

fn value<E>(kind: Kind) -> Result<prost_types::Value, E> {
    Ok(prost_types::Value { kind: Some(kind) })
}

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = prost_types::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_unit<E>(self) -> Result<prost_types::Value, E> {
        value(Kind::NullValue(0))
    }

    fn visit_none<E>(self) -> Result<prost_types::Value, E> {
        value(Kind::NullValue(0))
    }

    fn visit_bool<E>(self, given: bool) -> Result<prost_types::Value, E> {
        value(Kind::BoolValue(given))
    }

    fn visit_i64<E>(self, given: i64) -> Result<prost_types::Value, E> {
        value(Kind::NumberValue(given as f64))
    }

    fn visit_u64<E>(self, given: u64) -> Result<prost_types::Value, E> {
        value(Kind::NumberValue(given as f64))
    }

    fn visit_f64<E>(self, given: f64) -> Result<prost_types::Value, E> {
        value(Kind::NumberValue(given))
    }

    fn visit_str<E>(self, given: &str) -> Result<prost_types::Value, E> {
        value(Kind::StringValue(given.to_owned()))
    }

    fn visit_string<E>(self, given: String) -> Result<prost_types::Value, E> {
        value(Kind::StringValue(given))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<prost_types::Value, A::Error> {
        value(Kind::ListValue(ListVisitor.visit_seq(items)?))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<prost_types::Value, A::Error> {
        value(Kind::StructValue(StructVisitor.visit_map(map)?))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::super::testing::{read, written};
    use super::*;

    /// Values that JSON can hold.
    fn any_value() -> impl Strategy<Value = prost_types::Value> {
        let of = |kind| prost_types::Value { kind: Some(kind) };
        let leaf = prop_oneof![
            Just(of(Kind::NullValue(0))),
            any::<bool>().prop_map(move |value| of(Kind::BoolValue(value))),
            prop_oneof![proptest::num::f64::NORMAL, (-1000..1000_i32).prop_map(f64::from)]
                .prop_map(move |value| of(Kind::NumberValue(value))),
            any::<String>().prop_map(move |value| of(Kind::StringValue(value))),
        ];
        leaf.prop_recursive(4, 24, 4, move |inner| {
            prop_oneof![
                vec(inner.clone(), 0..4)
                    .prop_map(move |values| of(Kind::ListValue(prost_types::ListValue { values }))),
                btree_map(any::<String>(), inner, 0..4)
                    .prop_map(move |fields| of(Kind::StructValue(prost_types::Struct { fields }))),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_value_comes_back(value in any_value()) {
            let text = written::<Value, _>(&value).unwrap();
            prop_assert_eq!(read::<Value, prost_types::Value>(&text).unwrap(), value);
        }

        #[test]
        fn any_text_is_a_value_where_it_is_json(text in r#"[\[\]{}":,. a0-9enul-]{0,24}"#) {
            let value = read::<Value, prost_types::Value>(&text);
            let json = serde_json::from_str::<serde_json::Value>(&text);
            // Only here a name that is there twice is an error.
            prop_assert!(value.is_err() || json.is_ok());
            if let Ok(value) = value {
                let again = written::<Value, _>(&value).unwrap();
                prop_assert_eq!(read::<Value, prost_types::Value>(&again).unwrap(), value);
            }
        }
    }

    #[test]
    fn any_json_goes_in_and_comes_out() {
        for text in
            ["null", "true", "1", "-1.5", r#""x""#, "[]", "{}", r#"{"a":[1,null,{"b":"c"}],"d":1e300}"#]
        {
            let value = read::<Value, prost_types::Value>(text).unwrap();
            let back = written::<Value, _>(&value).unwrap();
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&back).unwrap(),
                serde_json::from_str::<serde_json::Value>(text).unwrap()
            );
        }
    }

    #[test]
    fn what_json_cannot_hold_is_an_error() {
        for number in [f64::NAN, f64::INFINITY] {
            let value = prost_types::Value { kind: Some(Kind::NumberValue(number)) };
            assert!(written::<Value, _>(&value).is_err());
        }
    }

    #[test]
    fn a_name_that_is_there_twice_is_an_error() {
        assert!(read::<Struct, prost_types::Struct>(r#"{"a":1,"a":2}"#).is_err());
    }

    #[test]
    fn a_list_is_no_object_and_the_other_way_round() {
        assert!(read::<Struct, prost_types::Struct>("[]").is_err());
        assert!(read::<ListValue, prost_types::ListValue>("{}").is_err());
    }
}

use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Error as _, SerializeMap, Serializer};

use super::depth::Deeper;
use super::kept::Kept;
use super::rest::Rest;
use super::tagged::Tagged;
use super::types::{Form, Type, Types, find};
use super::{Rule, mistyped};

/// `google.protobuf.Any`: an object with `@type`, and the fields of the message inside. `T` knows
/// the types that can be inside, besides the well-known ones.
pub struct Any<T>(PhantomData<T>);

pub(super) const TYPE: &str = "@type";
const VALUE: &str = "value";

impl<T: Types> Rule<prost_types::Any> for Any<T> {
    fn write<S: Serializer>(any: &prost_types::Any, serializer: S) -> Result<S::Ok, S::Error> {
        if any.type_url.is_empty() {
            if !any.value.is_empty() {
                return Err(S::Error::custom("google.protobuf.Any has a value but no type"));
            }
            return serializer.serialize_map(Some(0))?.end();
        }
        let _deeper = Deeper::enter().map_err(S::Error::custom)?;
        let ty = named::<T>(&any.type_url).map_err(S::Error::custom)?;
        // Taken and set by the closure, which is called once unless the bytes are wrong.
        let mut serializer = Some(serializer);
        let mut written = None;
        let decoded = (ty.write)(&any.value, &mut |message| {
            let Some(serializer) = serializer.take() else { return };
            written = Some(match ty.form {
                Form::Fields => erased_serde::serialize(message, Tagged::new(&any.type_url, serializer)),
                Form::Value => serializer.serialize_map(Some(2)).and_then(|mut map| {
                    map.serialize_entry(TYPE, &any.type_url)?;
                    map.serialize_entry(VALUE, message)?;
                    map.end()
                }),
            });
        });
        match (decoded, written) {
            (Ok(()), Some(written)) => written,
            (Err(error), _) => Err(S::Error::custom(inside(ty, error))),
            (Ok(()), None) => Err(S::Error::custom(inside(ty, "it was not written"))),
        }
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::Any, D::Error> {
        deserializer.deserialize_map(AnyVisitor(PhantomData::<T>))
    }
}

fn named<T: Types>(type_url: &str) -> Result<&'static Type, String> {
    let (_, name) = type_url.rsplit_once('/').ok_or_else(|| {
        format!("`{}` is not the type of a google.protobuf.Any: write `type.googleapis.com/` and the full name of the message", mistyped(type_url))
    })?;
    find::<T>(name).ok_or_else(|| {
        format!(
            "google.protobuf.Any holds a `{}`, which is not known here: its JSON is known of the messages that were \
             compiled together with the one that holds it, and of the well-known types",
            mistyped(name)
        )
    })
}

fn inside(ty: &Type, error: impl fmt::Display) -> String {
    format!("google.protobuf.Any of type `{}`: {error}", ty.name)
}

struct AnyVisitor<T>(PhantomData<T>);

impl<'de, T: Types> Visitor<'de> for AnyVisitor<T> {
    type Value = prost_types::Any;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of type google.protobuf.Any")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<prost_types::Any, A::Error> {
        // The type comes first, unless somebody else sorted the fields; what stands before it waits.
        let mut before = Vec::new();
        let type_url = loop {
            match map.next_key::<String>()? {
                Some(name) if name == TYPE => break map.next_value::<String>()?,
                Some(name) => before.push((name, map.next_value_seed(Kept)?)),
                None if before.is_empty() => return Ok(prost_types::Any::default()),
                None => return Err(A::Error::custom("google.protobuf.Any needs its type in `@type`")),
            }
        };
        if type_url.is_empty() {
            return Err(A::Error::custom("google.protobuf.Any needs its type in `@type`, and it is empty"));
        }
        let ty = named::<T>(&type_url).map_err(A::Error::custom)?;
        let rest = Rest::new(before, map);
        let value = match ty.form {
            Form::Fields => ReadInside(ty).deserialize(MapAccessDeserializer::new(rest))?,
            Form::Value => read_value(ty, rest)?,
        };
        Ok(prost_types::Any { type_url, value })
    }
}

/// Reads a type that stands in the field `value`. Other fields are unknown, and ignored.
fn read_value<'de, A: MapAccess<'de>>(ty: &'static Type, mut rest: Rest<A>) -> Result<Vec<u8>, A::Error> {
    let mut value = None;
    while let Some(name) = rest.next_key::<String>()? {
        if name != VALUE {
            rest.next_value::<IgnoredAny>()?;
        } else if value.is_some() {
            return Err(A::Error::duplicate_field(VALUE));
        } else {
            value = Some(rest.next_value_seed(ReadInside(ty))?);
        }
    }
    match value {
        Some(value) => Ok(value),
        // There are implementations that leave out what is always the same.
        None if ty.name == "google.protobuf.Empty" => Ok(Vec::new()),
        None => Err(A::Error::custom(inside(ty, "its value in `value` is missing"))),
    }
}

/// Reads the message inside, and encodes it.
struct ReadInside(&'static Type);

impl<'de> DeserializeSeed<'de> for ReadInside {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<u8>, D::Error> {
        let mut deserializer = <dyn erased_serde::Deserializer<'_>>::erase(deserializer);
        (self.0.read)(&mut deserializer).map_err(|error| D::Error::custom(inside(self.0, error)))
    }
}

impl<T> fmt::Debug for Any<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Any")
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, written};
    use super::super::{Fields, NoTypes, Str, Writer, plain, read_message};
    use super::*;

    /// A message as micro-build writes it.
    #[derive(Clone, PartialEq, prost::Message)]
    struct Order {
        #[prost(string, tag = "1")]
        id: String,
    }

    impl serde::Serialize for Order {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut out = Writer::new(serializer)?;
            out.plain::<Str, _>("id", &self.id)?;
            out.end()
        }
    }

    impl<'de> serde::Deserialize<'de> for Order {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            read_message(deserializer)
        }
    }

    impl Fields for Order {
        const NAME: &'static str = "shop.v1.Order";
        const NAMES: &'static [&'static str] = &["id"];

        fn find(name: &str) -> Option<usize> {
            (name == "id").then_some(0)
        }

        fn read<'de, A: MapAccess<'de>>(&mut self, _: usize, map: &mut A) -> Result<(), A::Error> {
            plain::<Str, _, _>(map, &mut self.id)
        }
    }

    struct Known;

    impl Types for Known {
        const ALL: &'static [Type] = &[Type::of::<Order>("shop.v1.Order")];
    }

    type Ours = Any<Known>;

    fn there_and_back(text: &str) -> String {
        written::<Ours, _>(&read::<Ours, prost_types::Any>(text).unwrap()).unwrap()
    }

    #[test]
    fn a_well_known_type_inside_has_its_own_json() {
        for text in [
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}"#,
            r#"{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}"#,
            r#"{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"5"}"#,
            r#"{"@type":"type.googleapis.com/google.protobuf.FloatValue","value":0.1}"#,
            r#"{"@type":"type.googleapis.com/google.protobuf.Value","value":null}"#,
            r#"{"@type":"x/google.protobuf.Any","value":{"@type":"x/google.protobuf.BoolValue","value":true}}"#,
            r#"{"@type":"x/google.protobuf.Any","value":{"@type":"x/shop.v1.Order","id":"1"}}"#,
            "{}",
        ] {
            assert_eq!(there_and_back(text), text);
        }
    }

    #[test]
    fn a_message_that_was_compiled_with_it_stands_there_with_its_fields() {
        let text = r#"{"@type":"type.googleapis.com/shop.v1.Order","id":"1"}"#;
        assert_eq!(there_and_back(text), text);
        assert_eq!(read::<Ours, prost_types::Any>(text).unwrap().value, b"\n\x011");
        let text = r#"{"@type":"x/shop.v1.Order"}"#;
        assert_eq!(there_and_back(text), text);
    }

    #[test]
    fn the_type_may_stand_anywhere_and_fields_nobody_knows_are_ignored() {
        for text in [
            r#"{"id":"1","@type":"x/shop.v1.Order"}"#,
            r#"{"odd":{"a":[1,2.5,null]},"id":"1","@type":"x/shop.v1.Order","more":[]}"#,
        ] {
            assert_eq!(there_and_back(text), r#"{"@type":"x/shop.v1.Order","id":"1"}"#);
        }
        for text in [
            r#"{"value":"1s","@type":"x/google.protobuf.Duration"}"#,
            r#"{"a":1,"@type":"x/google.protobuf.Duration","b":2,"value":"1s","c":3}"#,
        ] {
            assert_eq!(there_and_back(text), r#"{"@type":"x/google.protobuf.Duration","value":"1s"}"#);
        }
        let text = r#"{"@type":"x/google.protobuf.Empty"}"#;
        assert_eq!(there_and_back(text), r#"{"@type":"x/google.protobuf.Empty","value":{}}"#);
    }

    #[test]
    fn an_any_that_cannot_be_understood_says_why() {
        for (text, reason) in [
            (r#"{"value":"1s"}"#, "needs its type in `@type`"),
            (r#"{"@type":""}"#, "needs its type in `@type`"),
            (r#"{"@type":"shop.v1.Order"}"#, "write `type.googleapis.com/`"),
            (r#"{"@type":"x/google.protobuf.Duration"}"#, "its value in `value` is missing"),
            (
                r#"{"@type":"x/google.protobuf.Duration","value":1}"#,
                "`google.protobuf.Duration`: invalid type",
            ),
            (
                r#"{"@type":"x/google.protobuf.Api","value":1}"#,
                "holds a `google.protobuf.Api`, which is not known",
            ),
            (r#"{"@type":"x/shop.v1.Ordre","id":1}"#, "holds a `shop.v1.Ordre`, which is not known here"),
            (r#"{"@type":"x/shop.v1.Order","id":1}"#, "`shop.v1.Order`: invalid type: integer `1`"),
            (r#"{"id":1,"@type":"x/shop.v1.Order"}"#, "`shop.v1.Order`: invalid type: integer `1`"),
            (r#"{"@type":"x/shop.v1.Order","@type":"x/shop.v1.Order"}"#, "duplicate field `@type`"),
            (r#"{"@type":"x/shop.v1.Order","id":"1","id":"2"}"#, "duplicate field `id`"),
            (r#"{"id":"1","@type":"x/shop.v1.Order","id":"2"}"#, "duplicate field `id`"),
            (r#"{"a":{"b":1,"b":2},"@type":"x/shop.v1.Order"}"#, "`b` is there twice"),
            (
                r#"{"value":"1s","@type":"x/google.protobuf.Duration","value":"2s"}"#,
                "duplicate field `value`",
            ),
            ("[]", "expected an object of type google.protobuf.Any"),
        ] {
            let error = read::<Ours, prost_types::Any>(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
        let error = read::<Any<NoTypes>, prost_types::Any>(r#"{"@type":"x/shop.v1.Order"}"#).unwrap_err();
        assert!(error.to_string().contains("`shop.v1.Order`, which is not known here"), "{error}");
    }

    #[test]
    fn what_cannot_be_written_says_why() {
        let any = |type_url: &str, value: &[u8]| prost_types::Any {
            type_url: type_url.into(),
            value: value.into(),
        };
        for (any, reason) in [
            (any("", b"x"), "has a value but no type"),
            (any("x/shop.v1.Ordre", b""), "`shop.v1.Ordre`, which is not known here"),
            (any("x/shop.v1.Order", b"\xff"), "of type `shop.v1.Order`: "),
        ] {
            let error = written::<Ours, _>(&any).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }

    #[test]
    fn an_any_in_an_any_without_end_is_an_error_and_no_overflow() {
        use prost::Message as _;
        let mut any = prost_types::Any { type_url: "x/shop.v1.Order".into(), value: Vec::new() };
        for _ in 0..1000 {
            any = prost_types::Any { type_url: "x/google.protobuf.Any".into(), value: any.encode_to_vec() };
        }
        let error = written::<Ours, _>(&any).unwrap_err().to_string();
        assert!(error.contains("levels deep"), "{error}");
        // The level is given back.
        assert!(written::<Ours, _>(&prost_types::Any::default()).is_ok());
    }
}

use std::marker::PhantomData;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _};
use serde::ser::{Error as _, SerializeMap, Serializer};
use serde_json::{Map, Value as Json};

use super::{
    Base64, Bool, Double, Duration, Empty, FieldMask, Float, Int32, Int64, ListValue, Read, Rule, Str,
    Struct, Timestamp, Uint32, Uint64, Value, Written, bytes,
};

/// `google.protobuf.Any`: an object with `@type`.
///
/// The specification wants the fields of the message inside, which takes a registry of all types.
/// There is none; a type that is not well known is base64 in a field `value`.
#[derive(Debug)]
pub struct Any;

impl Rule<prost_types::Any> for Any {
    fn write<S: Serializer>(any: &prost_types::Any, serializer: S) -> Result<S::Ok, S::Error> {
        if any.type_url.is_empty() {
            if !any.value.is_empty() {
                return Err(S::Error::custom("google.protobuf.Any has a value but no type"));
            }
            return serializer.serialize_map(Some(0))?.end();
        }
        let value =
            well_known(type_name(&any.type_url), Step::Write(&any.value)).map_err(S::Error::custom)?;
        let value = match value {
            Some(Stepped::Written(value)) => value,
            _ => Json::String(STANDARD.encode(&any.value)),
        };
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("@type", &any.type_url)?;
        map.serialize_entry("value", &value)?;
        map.end()
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::Any, D::Error> {
        // `@type` may come last, so the object is read before it is understood.
        let mut object = Map::deserialize(deserializer)?;
        if object.is_empty() {
            return Ok(prost_types::Any::default());
        }
        let type_url = match object.remove("@type") {
            Some(Json::String(type_url)) if !type_url.is_empty() => type_url,
            _ => return Err(D::Error::custom("google.protobuf.Any needs its type in `@type`")),
        };
        let value = object.remove("value");
        let name = type_name(&type_url);
        let read = well_known(name, Step::Read(value.clone())).map_err(D::Error::custom)?;
        let value = match (read, value) {
            (Some(Stepped::Read(value)), _) => value,
            (_, Some(Json::String(text))) => bytes::decode(&text).map_err(D::Error::custom)?,
            (_, None) if object.is_empty() => Vec::new(),
            _ => {
                return Err(D::Error::custom(format_args!(
                    "google.protobuf.Any of type `{name}`: send its protobuf bytes as base64 in `value`"
                )));
            }
        };
        Ok(prost_types::Any { type_url, value })
    }
}

/// The name of the type, which is behind the last slash.
fn type_name(url: &str) -> &str {
    url.rsplit('/').next().unwrap_or(url)
}

enum Step<'a> {
    Write(&'a [u8]),
    Read(Option<Json>),
}

enum Stepped {
    Written(Json),
    Read(Vec<u8>),
}

/// Writes or reads the JSON of a well-known type; `None` where it is not one.
fn well_known(name: &str, step: Step<'_>) -> Result<Option<Stepped>, String> {
    let Some(name) = name.strip_prefix("google.protobuf.") else { return Ok(None) };
    let stepped = match name {
        "Any" => by::<Any, prost_types::Any>(step),
        "Timestamp" => by::<Timestamp, prost_types::Timestamp>(step),
        "Duration" => by::<Duration, prost_types::Duration>(step),
        "FieldMask" => by::<FieldMask, prost_types::FieldMask>(step),
        "Struct" => by::<Struct, prost_types::Struct>(step),
        "Value" => by::<Value, prost_types::Value>(step),
        "ListValue" => by::<ListValue, prost_types::ListValue>(step),
        "Empty" => by::<Empty, ()>(step),
        "BoolValue" => by::<Bool, bool>(step),
        "StringValue" => by::<Str, String>(step),
        "BytesValue" => by::<Base64, Vec<u8>>(step),
        "Int32Value" => by::<Int32, i32>(step),
        "Int64Value" => by::<Int64, i64>(step),
        "UInt32Value" => by::<Uint32, u32>(step),
        "UInt64Value" => by::<Uint64, u64>(step),
        "FloatValue" => by::<Float, f32>(step),
        "DoubleValue" => by::<Double, f64>(step),
        _ => return Ok(None),
    };
    stepped
        .map(Some)
        .map_err(|error| format!("google.protobuf.Any of type `google.protobuf.{name}`: {error}"))
}

fn by<R: Rule<T>, T: prost::Message + Default>(step: Step<'_>) -> Result<Stepped, String> {
    match step {
        Step::Write(bytes) => {
            let message = T::decode(bytes).map_err(|error| error.to_string())?;
            let json = serde_json::to_value(Written::<R, T>::new(&message));
            json.map(Stepped::Written).map_err(|error| error.to_string())
        }
        Step::Read(None) => Err("its value in `value` is missing".to_owned()),
        Step::Read(Some(json)) => {
            let message = Read::<R, T>(PhantomData).deserialize(json).map_err(|error| error.to_string())?;
            Ok(Stepped::Read(message.encode_to_vec()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{read, written};
    use super::*;

    fn there_and_back(text: &str) -> String {
        written::<Any, _>(&read::<Any, prost_types::Any>(text).unwrap()).unwrap()
    }

    #[test]
    fn a_well_known_type_inside_has_its_own_json() {
        for text in [
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1.500s"}"#,
            r#"{"@type":"type.googleapis.com/google.protobuf.Empty","value":{}}"#,
            r#"{"@type":"type.googleapis.com/google.protobuf.Int64Value","value":"5"}"#,
            r#"{"@type":"type.googleapis.com/google.protobuf.Value","value":null}"#,
            r#"{"@type":"x/google.protobuf.Any","value":{"@type":"x/google.protobuf.BoolValue","value":true}}"#,
            "{}",
        ] {
            assert_eq!(there_and_back(text), text);
        }
        let last = r#"{"value":"1s","@type":"type.googleapis.com/google.protobuf.Duration"}"#;
        assert_eq!(
            there_and_back(last),
            r#"{"@type":"type.googleapis.com/google.protobuf.Duration","value":"1s"}"#
        );
    }

    #[test]
    fn any_other_type_is_base64_and_loses_nothing() {
        let text = r#"{"@type":"type.googleapis.com/shop.v1.Order","value":"CAE="}"#;
        assert_eq!(there_and_back(text), text);
        assert_eq!(read::<Any, prost_types::Any>(text).unwrap().value, [8, 1]);
    }

    #[test]
    fn an_any_that_cannot_be_understood_says_why() {
        for (text, reason) in [
            (r#"{"value":"1s"}"#, "needs its type in `@type`"),
            (r#"{"@type":""}"#, "needs its type in `@type`"),
            (r#"{"@type":"x/google.protobuf.Duration"}"#, "its value in `value` is missing"),
            (
                r#"{"@type":"x/google.protobuf.Duration","value":1}"#,
                "`google.protobuf.Duration`: invalid type",
            ),
            (r#"{"@type":"x/shop.v1.Order","id":1}"#, "send its protobuf bytes as base64"),
        ] {
            let error = read::<Any, prost_types::Any>(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}

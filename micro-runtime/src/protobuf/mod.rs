//! Protobuf: the well-known types, and their place among the messages.
//!
//! `micro-build` turns `.proto` files into messages. Each has two encodings: protobuf, and the JSON
//! that the protobuf specification calls canonical. Its rules, as far as they leave a choice:
//!
//! | Subject | What happens here |
//! |---|---|
//! | Field names | written as lowerCamelCase (or `json_name`), read in that form and as in the file |
//! | Default values | not written, unless the field has presence (`optional`, messages, `oneof`) |
//! | 64-bit integers | written as strings; every integer is read from a number or a string, `1.0` and `1e2` included |
//! | Bytes | written as padded base64; read in the standard and the URL alphabet, padded or not |
//! | Enums | written by name, an unknown number as a number; read by name or number; an unknown name is an error |
//! | `null` | the default of a field; an error in a list or a map, except where `null` is a value |
//! | Unknown fields | ignored, as protobuf ignores them: services of different versions can talk |
//! | The same field, map key, or `oneof` twice | an error |
//! | Timestamps and durations | at most nine fractional digits; out of range is an error in both directions |
//! | `Any` | the fields of the message inside with `@type`, or `@type` and `value` for a well-known type. Known are the messages that were compiled together with the one that has the `Any`; another one is an error. Eight may be in one another |
//!
//! Not supported: extensions, and fields whose type is one of `google/protobuf/{api,type,descriptor}.proto`.

mod any;
pub(crate) mod descriptor;
pub(crate) mod json;
mod messages;
mod standard;

pub(crate) use standard::standard_message;

pub use prost_types::{Any, Duration, FieldMask, ListValue, NullValue, Struct, Timestamp, Value, value};

//! The files of the well-known types, for contracts that were not generated and use them.

use prost_types::FileDescriptorProto;
use prost_types::field_descriptor_proto::Type;

use crate::protobuf::descriptor::{self, Of, enumeration, field, map_entry, message, oneof, repeated};

const PACKAGE: &str = "google.protobuf";
const STRUCT: &str = "google/protobuf/struct.proto";
const WRAPPERS: &str = "google/protobuf/wrappers.proto";

/// The name of the file that a well-known type is in.
pub(super) fn file_of(name: &str) -> Option<&'static str> {
    Some(match name.strip_prefix("google.protobuf.")? {
        "Any" => "google/protobuf/any.proto",
        "Duration" => "google/protobuf/duration.proto",
        "Empty" => "google/protobuf/empty.proto",
        "FieldMask" => "google/protobuf/field_mask.proto",
        "Timestamp" => "google/protobuf/timestamp.proto",
        "Struct" | "Value" | "ListValue" | "NullValue" => STRUCT,
        "StringValue" | "BytesValue" | "BoolValue" | "Int32Value" | "Int64Value" | "UInt32Value"
        | "UInt64Value" | "FloatValue" | "DoubleValue" => WRAPPERS,
        _ => return None,
    })
}

/// The file of this name.
pub(super) fn file(name: &str) -> FileDescriptorProto {
    let mut file = descriptor::file(name, PACKAGE);
    let scalar = |name: &str, number, kind| field(name, number, Of::Scalar(kind));
    file.message_type = match name {
        "google/protobuf/any.proto" => {
            vec![message("Any", vec![scalar("type_url", 1, Type::String), scalar("value", 2, Type::Bytes)])]
        }
        "google/protobuf/duration.proto" => vec![message("Duration", time())],
        "google/protobuf/timestamp.proto" => vec![message("Timestamp", time())],
        "google/protobuf/empty.proto" => vec![message("Empty", Vec::new())],
        "google/protobuf/field_mask.proto" => {
            vec![message("FieldMask", vec![repeated("paths", 1, Of::Scalar(Type::String))])]
        }
        WRAPPERS => [
            ("DoubleValue", Type::Double),
            ("FloatValue", Type::Float),
            ("Int64Value", Type::Int64),
            ("UInt64Value", Type::Uint64),
            ("Int32Value", Type::Int32),
            ("UInt32Value", Type::Uint32),
            ("BoolValue", Type::Bool),
            ("StringValue", Type::String),
            ("BytesValue", Type::Bytes),
        ]
        .map(|(name, kind)| message(name, vec![scalar("value", 1, kind)]))
        .into(),
        _ => Vec::new(),
    };
    if name == STRUCT {
        any_json(&mut file);
    }
    file
}

fn time() -> Vec<prost_types::FieldDescriptorProto> {
    vec![field("seconds", 1, Of::Scalar(Type::Int64)), field("nanos", 2, Of::Scalar(Type::Int32))]
}

fn any_json(file: &mut FileDescriptorProto) {
    let of = |name: &str| Of::message(format!("{PACKAGE}.{name}"));
    let mut object = message("Struct", vec![repeated("fields", 1, of("Struct.FieldsEntry"))]);
    object.nested_type.push(map_entry("FieldsEntry", of("Value")));

    let mut value = message("Value", Vec::new());
    let kinds = vec![
        field("null_value", 1, Of::Enum(format!("{PACKAGE}.NullValue"))),
        field("number_value", 2, Of::Scalar(Type::Double)),
        field("string_value", 3, Of::Scalar(Type::String)),
        field("bool_value", 4, Of::Scalar(Type::Bool)),
        field("struct_value", 5, of("Struct")),
        field("list_value", 6, of("ListValue")),
    ];
    oneof(&mut value, "kind", kinds);

    file.message_type = vec![object, value, message("ListValue", vec![repeated("values", 1, of("Value"))])];
    file.enum_type = vec![enumeration("NullValue", ["NULL_VALUE".to_owned()])];
}

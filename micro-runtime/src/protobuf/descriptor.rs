//! Putting descriptors together, in fewer words than protobuf has for it.

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, MethodDescriptorProto, OneofDescriptorProto, ServiceDescriptorProto,
};

/// The type of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Of {
    Scalar(Type),
    /// A message by its full name.
    Message(String),
    /// An enum by its full name.
    Enum(String),
}

impl Of {
    /// The scalar that protobuf calls so, if it knows one.
    pub(crate) fn scalar(name: &str) -> Option<Self> {
        Some(Self::Scalar(match name {
            "string" => Type::String,
            "bool" => Type::Bool,
            "bytes" => Type::Bytes,
            "int32" => Type::Int32,
            "int64" => Type::Int64,
            "uint32" => Type::Uint32,
            "uint64" => Type::Uint64,
            "float" => Type::Float,
            "double" => Type::Double,
            _ => return None,
        }))
    }

    pub(crate) fn message(full_name: impl Into<String>) -> Self {
        Self::Message(full_name.into())
    }
}

/// A file of this name and package, which is `proto3`.
pub(crate) fn file(name: impl Into<String>, package: impl Into<String>) -> FileDescriptorProto {
    FileDescriptorProto {
        name: Some(name.into()),
        package: Some(package.into()).filter(|package: &String| !package.is_empty()),
        syntax: Some("proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
}

/// A message with these fields.
pub(crate) fn message(name: impl Into<String>, fields: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto { name: Some(name.into()), field: fields, ..DescriptorProto::default() }
}

/// A field that holds one value. Its name in JSON is that of protobuf's own rule.
pub(crate) fn field(name: &str, number: i32, of: Of) -> FieldDescriptorProto {
    let (kind, type_name) = match of {
        Of::Scalar(kind) => (kind, None),
        Of::Message(name) => (Type::Message, Some(format!(".{name}"))),
        Of::Enum(name) => (Type::Enum, Some(format!(".{name}"))),
    };
    FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        label: Some(Label::Optional.into()),
        r#type: Some(kind.into()),
        type_name,
        json_name: Some(json_name(name)),
        ..FieldDescriptorProto::default()
    }
}

/// A field that holds any number of values.
pub(crate) fn repeated(name: &str, number: i32, of: Of) -> FieldDescriptorProto {
    FieldDescriptorProto { label: Some(Label::Repeated.into()), ..field(name, number, of) }
}

/// The message that the entries of a map are, whose keys are strings.
pub(crate) fn map_entry(name: &str, value: Of) -> DescriptorProto {
    let key = field("key", 1, Of::Scalar(Type::String));
    let mut entry = message(name, vec![key, field("value", 2, value)]);
    entry.options = Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() });
    entry
}

/// Fields of which one is set: the `oneof` is added to the message.
pub(crate) fn oneof(message: &mut DescriptorProto, name: &str, fields: Vec<FieldDescriptorProto>) {
    let index = i32::try_from(message.oneof_decl.len()).ok();
    message.oneof_decl.push(OneofDescriptorProto { name: Some(name.to_owned()), options: None });
    message
        .field
        .extend(fields.into_iter().map(|field| FieldDescriptorProto { oneof_index: index, ..field }));
}

/// An enum with these values, numbered from zero.
pub(crate) fn enumeration(
    name: impl Into<String>,
    values: impl IntoIterator<Item = String>,
) -> EnumDescriptorProto {
    let value =
        |(number, name)| EnumValueDescriptorProto { name: Some(name), number: Some(number), options: None };
    EnumDescriptorProto {
        name: Some(name.into()),
        value: (0..).zip(values).map(value).collect(),
        ..EnumDescriptorProto::default()
    }
}

/// A service with these methods.
pub(crate) fn service(name: &str, methods: Vec<MethodDescriptorProto>) -> ServiceDescriptorProto {
    ServiceDescriptorProto { name: Some(name.to_owned()), method: methods, options: None }
}

/// A method; the messages are given by their full names, and whether they are streams.
pub(crate) fn method(name: &str, request: (&str, bool), response: (&str, bool)) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.to_owned()),
        input_type: Some(format!(".{}", request.0)),
        output_type: Some(format!(".{}", response.0)),
        client_streaming: Some(request.1),
        server_streaming: Some(response.1),
        options: None,
    }
}

/// `lowerCamelCase`.
fn json_name(name: &str) -> String {
    let mut json = String::with_capacity(name.len());
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else {
            json.push(if upper { character.to_ascii_uppercase() } else { character });
            upper = false;
        }
    }
    json
}

//! The JSON of messages, and their place among the messages of the framework.

use crate::code::Code;
use crate::config::Config;
use crate::model::{Field, Kind, Member, Message, Package, Shape, WellKnown};

use super::{ALLOW, descriptors, types};

pub(super) fn generate(code: &mut Code, package: &Package, config: &Config) {
    for message in &package.messages {
        // A block hides the names that are used inside. They begin with underscores, which no name
        // from a `.proto` file does.
        code.line("").line(ALLOW).open("const _: () = {");
        code.line(format!("use {}::__private::{{self as __micro, protobuf as __json}};", config.crate_path));
        if message.has_any() {
            code.line(format!("use self::{} as __Types;", types::name_in(package)));
        }
        write(code, message);
        read(code, message);
        describe(code, package, message, config);
        code.close("};");
    }
}

fn write(code: &mut Code, message: &Message) {
    let path = &message.path;
    code.line("").line("#[automatically_derived]");
    code.open(format!("impl __micro::serde::Serialize for {path} {{"));
    code.line("fn serialize<__S: __micro::serde::Serializer>(&self, serializer: __S)");
    code.open("    -> ::core::result::Result<__S::Ok, __S::Error> {");
    code.line(format!(
        "let {}out = __json::Writer::new(serializer)?;",
        if message.members.is_empty() { "" } else { "mut " }
    ));
    for member in &message.members {
        match member {
            Member::Field(field) => {
                let (name, rust) = (&field.json_name, &field.rust_name);
                let (call, kind) = match &field.shape {
                    Shape::Plain(kind) => ("plain", kind),
                    Shape::Required(kind) => ("entry", kind),
                    Shape::Optional(kind) => ("optional", kind),
                    Shape::List(kind) => ("list", kind),
                    Shape::Map(kind) => ("map", kind),
                };
                let rest = if call == "map" { "_, _, _" } else { "_" };
                code.line(format!("out.{call}::<{}, {rest}>({name:?}, &self.{rust})?;", rule(kind)));
            }
            Member::Oneof(oneof) => {
                code.open(format!("match &self.{} {{", oneof.rust_name));
                for field in &oneof.fields {
                    let (name, variant) = (&field.json_name, &field.rust_name);
                    let rule = rule(field.shape.kind());
                    code.line(format!(
                        "::core::option::Option::Some({}::{variant}(value)) => out.entry::<{rule}, _>({name:?}, value)?,",
                        oneof.path
                    ));
                }
                code.line("::core::option::Option::None => {}").close("}");
            }
        }
    }
    code.line("out.end()").close("}").close("}");
}

fn read(code: &mut Code, message: &Message) {
    let path = &message.path;
    code.line("").line("#[automatically_derived]");
    code.open(format!("impl<'de> __micro::serde::Deserialize<'de> for {path} {{"));
    code.line("fn deserialize<__D: __micro::serde::Deserializer<'de>>(deserializer: __D)");
    code.open("    -> ::core::result::Result<Self, __D::Error> {");
    code.line("__json::read_message(deserializer)").close("}").close("}");

    let fields: Vec<_> = fields(message).collect();
    let names: Vec<_> = fields.iter().map(|(field, _)| format!("{:?}", field.json_name)).collect();
    code.line("").open(format!("impl __json::Fields for {path} {{"));
    code.line(format!("const NAME: &'static str = {:?};", message.full_name));
    code.line(format!("const NAMES: &'static [&'static str] = &[{}];", names.join(", ")));

    code.line("").open("fn find(name: &str) -> ::core::option::Option<usize> {");
    code.open("match name {");
    for (index, (field, _)) in fields.iter().enumerate() {
        // A JSON name that is the original name of another field means the former.
        let taken = fields.iter().any(|(other, _)| other.json_name == field.name);
        let original = if taken { String::new() } else { format!(" | {:?}", field.name) };
        code.line(format!("{:?}{original} => ::core::option::Option::Some({index}),", field.json_name));
    }
    code.line("_ => ::core::option::Option::None,").close("}").close("}");

    let map = if fields.is_empty() { "_map" } else { "map" };
    code.line("").line(format!(
        "fn read<'de, __A: __micro::serde::de::MapAccess<'de>>(&mut self, field: usize, {map}: &mut __A)"
    ));
    code.open("    -> ::core::result::Result<(), __A::Error> {");
    code.open("match field {");
    for (index, (field, oneof)) in fields.iter().enumerate() {
        let rule = rule(field.shape.kind());
        let rust = &field.rust_name;
        code.line(match (oneof, &field.shape) {
            (Some(oneof), _) => format!(
                "{index} => __json::member::<{rule}, _, _, _>(map, &mut self.{}, {:?}, {}::{rust}),",
                oneof.rust_name, oneof.name, oneof.path
            ),
            (None, Shape::Plain(_) | Shape::Required(_)) => {
                format!("{index} => __json::plain::<{rule}, _, _>(map, &mut self.{rust}),")
            }
            (None, Shape::Optional(_)) => {
                format!("{index} => __json::optional::<{rule}, _, _>(map, &mut self.{rust}),")
            }
            (None, Shape::List(_)) => {
                format!("{index} => __json::list::<{rule}, _, _>(map, &mut self.{rust}),")
            }
            (None, Shape::Map(_)) => {
                format!("{index} => __json::map::<{rule}, _, _, _, _>(map, &mut self.{rust}),")
            }
        });
    }
    code.line("_ => ::core::result::Result::Ok(()),").close("}").close("}").close("}");
}

fn describe(code: &mut Code, package: &Package, message: &Message, config: &Config) {
    code.line("").line("#[automatically_derived]");
    code.open(format!("impl {}::Message for {} {{", config.crate_path, message.path));
    code.line("const FORMATS: &'static [__micro::Format<Self>] = &[__micro::Format::proto(), __micro::Format::json()];");
    code.open("const SHAPE: &'static __micro::Shape = &__micro::Shape {");
    code.line(format!("name: {:?},", message.full_name)).line(format!("doc: {:?},", message.doc));
    code.open("kind: __micro::ShapeKind::Struct(&[");
    for (field, oneof) in fields(message) {
        let shape = match (&field.shape, oneof) {
            // Each member of a `oneof` may be absent.
            (_, Some(_)) | (Shape::Optional(_), _) => "optional",
            (Shape::Plain(_) | Shape::Required(_), _) => "plain",
            (Shape::List(_), _) => "list",
            (Shape::Map(_), _) => "map",
        };
        code.line(format!(
            "__micro::Field {{ name: {:?}, doc: {:?}, shape: __json::{shape}_shape::<{}> }},",
            field.json_name,
            field.doc,
            rule(field.shape.kind())
        ));
    }
    code.close("]),").close("};");
    if let Some(descriptors) = descriptors::name_in(package, config) {
        code.line(format!(
            "const DESCRIPTORS: ::core::option::Option<&'static [u8]> = ::core::option::Option::Some(self::{descriptors});"
        ));
    }
    code.line("")
        .open("fn as_serde(&self) -> ::core::option::Option<&dyn __micro::erased_serde::Serialize> {");
    code.line("::core::option::Option::Some(self)").close("}");
    code.line("").line("fn from_serde(deserializer: &mut dyn __micro::erased_serde::Deserializer<'_>)");
    code.open("    -> ::core::option::Option<::core::result::Result<Self, __micro::erased_serde::Error>> {");
    code.line("::core::option::Option::Some(__micro::erased_serde::deserialize(deserializer))").close("}");
    code.close("}");
}

/// All fields, and the `oneof` that each is in.
fn fields(message: &Message) -> impl Iterator<Item = (&Field, Option<&crate::model::Oneof>)> {
    message.members.iter().flat_map(|member| match member {
        Member::Field(field) => vec![(field, None)],
        Member::Oneof(oneof) => oneof.fields.iter().map(|field| (field, Some(oneof))).collect(),
    })
}

/// The rule by which values of the kind are written and read.
fn rule(kind: &Kind) -> String {
    let name = match kind {
        Kind::Bool => "Bool",
        Kind::Int32 => "Int32",
        Kind::Int64 => "Int64",
        Kind::Uint32 => "Uint32",
        Kind::Uint64 => "Uint64",
        Kind::Float => "Float",
        Kind::Double => "Double",
        Kind::String => "Str",
        Kind::Bytes => "Base64",
        Kind::Enum(path) => return format!("__json::Enum<{path}>"),
        Kind::Message(path) => return format!("__json::Msg<{path}>"),
        Kind::WellKnown(known) => match known {
            WellKnown::Any => "Any<__Types>",
            WellKnown::Duration => "Duration",
            WellKnown::Empty => "Empty",
            WellKnown::FieldMask => "FieldMask",
            WellKnown::ListValue => "ListValue",
            WellKnown::NullValue => "NullValue",
            WellKnown::Struct => "Struct",
            WellKnown::Timestamp => "Timestamp",
            WellKnown::Value => "Value",
        },
    };
    format!("__json::{name}")
}

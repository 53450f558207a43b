//! The names of enum values.

use std::collections::HashSet;

use super::ALLOW;
use crate::code::Code;
use crate::config::Config;
use crate::model::{Enum, Package};

pub(super) fn generate(code: &mut Code, package: &Package, config: &Config) {
    for of in &package.enums {
        code.line("").line(ALLOW).open("const _: () = {");
        code.line(format!("use {}::__private::{{self as __micro, protobuf as __json}};", config.crate_path));
        names(code, of);
        code.close("};");
    }
}

fn names(code: &mut Code, of: &Enum) {
    code.line("").line("#[automatically_derived]");
    code.open(format!("impl __json::EnumNames for {} {{", of.path));
    code.open("const SHAPE: &'static __micro::Shape = &__micro::Shape {");
    code.line(format!("name: {:?},", of.full_name)).line(format!("doc: {:?},", of.doc));
    code.open("kind: __micro::ShapeKind::Enum(&[");
    for value in &of.values {
        code.line(format!(
            "__micro::Variant {{ name: {:?}, doc: {:?}, fields: &[] }},",
            value.name, value.doc
        ));
    }
    code.close("]),").close("};");

    code.line("").open("fn name(number: i32) -> ::core::option::Option<&'static str> {");
    code.open("match number {");
    // Of several names for one number the first is written.
    let mut numbers = HashSet::new();
    for value in of.values.iter().filter(|value| numbers.insert(value.number)) {
        code.line(format!("{} => ::core::option::Option::Some({:?}),", value.number, value.name));
    }
    code.line("_ => ::core::option::Option::None,").close("}").close("}");

    code.line("").open("fn number(name: &str) -> ::core::option::Option<i32> {");
    code.open("match name {");
    for value in &of.values {
        code.line(format!("{:?} => ::core::option::Option::Some({}),", value.name, value.number));
    }
    code.line("_ => ::core::option::Option::None,").close("}").close("}").close("}");
}

//! The fields of a message.

use prost_types::{DescriptorProto, FieldDescriptorProto, OneofDescriptorProto};

use super::names::{Names, entry_of};
use super::{Describer, EMPTY, LIST, join};
use crate::message::{Field, Shape, ShapeKind, Variant};
use crate::protobuf::descriptor::{self, Of, field, message, oneof, repeated};

/// Whether these are values without names, which serde writes as a list.
pub(super) fn is_tuple(fields: &[Field]) -> bool {
    !fields.is_empty() && fields.iter().all(|field| field.name.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Describer<'_> {
    /// A message of a kind, in a package. `scope` is its full name.
    pub(super) fn message(
        &mut self,
        package: &str,
        scope: &str,
        name: String,
        kind: ShapeKind,
    ) -> DescriptorProto {
        let mut described = message(name, Vec::new());
        let mut names = Names::default();
        match kind {
            ShapeKind::Struct(fields) => self.fields(package, scope, fields, &mut names, &mut described),
            ShapeKind::Enum(variants) => self.variants(package, scope, variants, &mut names, &mut described),
            _ => {}
        }
        described
    }

    fn fields(
        &mut self,
        package: &str,
        scope: &str,
        fields: &[Field],
        names: &mut Names,
        described: &mut DescriptorProto,
    ) {
        for (number, given) in numbers().zip(fields) {
            let shape = (given.shape)();
            let (shape, absent) = match shape.kind {
                ShapeKind::Optional(of) => (of(), true),
                _ => (shape, false),
            };
            let mut field = match shape.kind {
                ShapeKind::List(of) => repeated(&names.field(given.name), number, self.of(package, of())),
                ShapeKind::Map(of) => self.map(package, scope, (given.name, number, of()), names, described),
                _ => {
                    let of = self.of(package, shape);
                    let has_presence = matches!(of, Of::Message(_));
                    let mut field = field(&names.field(given.name), number, of);
                    if absent && !has_presence {
                        optional(&mut field, described);
                    }
                    field
                }
            };
            field.json_name = Some(given.name.to_owned());
            described.field.push(field);
        }
    }

    /// A map, which is a list of entries. What its keys are nobody knows; in JSON they are strings.
    fn map(
        &mut self,
        package: &str,
        scope: &str,
        (name, number, of): (&str, i32, &'static Shape),
        names: &mut Names,
        described: &mut DescriptorProto,
    ) -> FieldDescriptorProto {
        let name = names.map(name);
        let entry_name = entry_of(&name);
        let of = self.of(package, of);
        described.nested_type.push(descriptor::map_entry(&entry_name, of));
        repeated(&name, number, Of::Message(join(scope, &entry_name)))
    }

    /// An enum whose variants hold something: one of several fields is set.
    fn variants(
        &mut self,
        package: &str,
        scope: &str,
        variants: &[Variant],
        names: &mut Names,
        described: &mut DescriptorProto,
    ) {
        let mut members = Vec::new();
        for (number, variant) in numbers().zip(variants) {
            let name = names.field(variant.name);
            let of = match variant.fields {
                [] => self.shared(package, EMPTY),
                [one] if is_tuple(variant.fields) => self.of(package, (one.shape)()),
                fields if is_tuple(fields) => self.shared(package, LIST),
                fields => {
                    let name = names.nested(variant.name);
                    let scope = join(scope, &name);
                    let nested = self.message(package, &scope, name, ShapeKind::Struct(fields));
                    described.nested_type.push(nested);
                    Of::Message(scope)
                }
            };
            members.push(FieldDescriptorProto {
                json_name: Some(variant.name.to_owned()),
                ..field(&name, number, of)
            });
        }
        let name = names.free("kind", |_| true);
        oneof(described, &name, members);
    }

    fn shared(&mut self, package: &str, name: &str) -> Of {
        self.import(package, name);
        Of::message(name)
    }
}

/// The numbers that fields may have.
fn numbers() -> impl Iterator<Item = i32> {
    (1..19_000).chain(20_000..536_870_912)
}

/// Lets a field be absent: protobuf says so with a `oneof` around it.
fn optional(field: &mut FieldDescriptorProto, described: &mut DescriptorProto) {
    field.proto3_optional = Some(true);
    field.oneof_index = i32::try_from(described.oneof_decl.len()).ok();
    let name = Some(format!("_{}", field.name()));
    described.oneof_decl.push(OneofDescriptorProto { name, options: None });
}

//! Names that protobuf takes: identifiers, each once in its scope.

use std::collections::HashSet;

use crate::message::Variant;

/// The names in one scope, a package or a message.
#[derive(Default)]
pub(super) struct Names {
    taken: HashSet<String>,
    /// The fields of a message, without what the names in JSON do not tell apart.
    fields: HashSet<String>,
}

impl Names {
    /// Takes a name as it is.
    pub(super) fn take(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
    }

    /// Takes a name, with a number behind it where it is taken or not `is_free` elsewhere.
    pub(super) fn free(&mut self, name: &str, is_free: impl Fn(&str) -> bool) -> String {
        let name = first(name, |name| !self.taken.contains(name) && is_free(name));
        self.taken.insert(name.clone());
        name
    }

    /// Takes the name of a field. `_name` is left for the `oneof` of an optional one.
    pub(super) fn field(&mut self, name: &str) -> String {
        self.field_with(name, |_| None)
    }

    /// Takes the name of a map, and that of its entries with it.
    pub(super) fn map(&mut self, name: &str) -> String {
        self.field_with(name, |name| Some(entry_of(name)))
    }

    /// Takes the name of the message that a variant of an enum holds. The field has the name of the
    /// variant, which is often that of a type.
    pub(super) fn nested(&mut self, variant: &str) -> String {
        let name = type_name(variant);
        let name = if self.taken.contains(&name) { format!("{name}Fields") } else { name };
        self.free(&name, |_| true)
    }

    fn field_with(&mut self, name: &str, with: impl Fn(&str) -> Option<String>) -> String {
        let is_free = |name: &str| {
            !self.fields.contains(&folded(name))
                && !self.taken.contains(name)
                && !self.taken.contains(&format!("_{name}"))
                && with(name).is_none_or(|other| !self.taken.contains(&other))
        };
        let name = first(name, is_free);
        self.fields.insert(folded(&name));
        self.taken.extend([name.clone(), format!("_{name}")]);
        self.taken.extend(with(&name));
        name
    }

    /// Takes the names of an enum's values, which are declared beside it: where one of them is taken,
    /// all have the name of the enum in front.
    pub(super) fn values(&mut self, enumeration: &str, variants: &[Variant]) -> Vec<String> {
        let taken = variants.iter().any(|variant| self.taken.contains(&identifier(variant.name)));
        let mut own = HashSet::new();
        let mut values = Vec::new();
        for variant in variants {
            let name =
                if taken { format!("{enumeration}_{}", variant.name) } else { variant.name.to_owned() };
            let name =
                first(&name, |name| !self.taken.contains(name) && !own.contains(&without(enumeration, name)));
            own.insert(without(enumeration, &name));
            self.taken.insert(name.clone());
            values.push(name);
        }
        values
    }
}

/// The name that protobuf gives to the entries of a map.
pub(super) fn entry_of(field: &str) -> String {
    format!("{}Entry", type_name(field))
}

/// `UpperCamelCase`.
fn type_name(name: &str) -> String {
    let mut upper = true;
    let mut camel = String::with_capacity(name.len());
    for character in name.chars() {
        if !character.is_ascii_alphanumeric() {
            upper = true;
        } else {
            camel.push(if upper { character.to_ascii_uppercase() } else { character });
            upper = false;
        }
    }
    camel
}

/// The name as an identifier, with the first number behind it that makes it free.
fn first(name: &str, is_free: impl Fn(&str) -> bool) -> String {
    let name = identifier(name);
    if is_free(&name) {
        return name;
    }
    // There are more numbers than names that are taken.
    (2_u64..).map(|number| format!("{name}{number}")).find(|name| is_free(name)).unwrap_or(name)
}

fn identifier(name: &str) -> String {
    let mut identifier: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if identifier.starts_with(|c: char| !c.is_ascii_alphabetic()) || identifier.is_empty() {
        identifier.insert(0, 'x');
    }
    identifier
}

/// The name of a field by which other implementations tell fields apart.
fn folded(name: &str) -> String {
    name.replace('_', "").to_ascii_lowercase()
}

/// The name of an enum's value by which other implementations tell values apart.
fn without(enumeration: &str, value: &str) -> String {
    let (prefix, value) = (folded(enumeration), folded(value));
    match value.strip_prefix(&prefix) {
        Some(rest) if !rest.is_empty() => rest.to_owned(),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_becomes_an_identifier() {
        for (name, expected) in [
            ("fullName", "fullName"),
            ("very-tasty", "very_tasty"),
            ("3d", "x3d"),
            ("", "x"),
            ("größe", "gr__e"),
            ("_a", "x_a"),
        ] {
            assert_eq!(identifier(name), expected);
        }
    }

    #[test]
    fn a_name_that_is_taken_gets_a_number() {
        let mut names = Names::default();
        let all: Vec<_> = ["user_id", "userId", "UserID", "x"].map(|name| names.field(name)).into();
        assert_eq!(all, ["user_id", "userId2", "UserID3", "x"]);
        assert_eq!(names.map("tags"), "tags");
        assert_eq!(names.free("TagsEntry", |_| true), "TagsEntry2");
        assert_eq!(
            [names.nested("circle"), names.nested("x"), names.nested("circle")],
            ["Circle", "X", "CircleFields"]
        );
        assert_eq!(names.free("Order", |name| name != "Order"), "Order2");
    }

    #[test]
    fn values_of_two_enums_do_not_meet() {
        let variants = |names: &[&'static str]| -> Vec<_> {
            names.iter().map(|name| Variant { name, doc: "", fields: &[] }).collect()
        };
        let mut names = Names::default();
        assert_eq!(names.values("Color", &variants(&["red", "RED", "blue"])), ["red", "RED2", "blue"]);
        assert_eq!(names.values("Light", &variants(&["red", "green"])), ["Light_red", "Light_green"]);
    }
}

//! Names in Rust: the same that the backend gives, so that what we write fits to it.

use heck::{ToSnakeCase as _, ToUpperCamelCase as _};

/// The name of a field, method or module.
pub(crate) fn snake(name: &str) -> String {
    identifier(name.to_snake_case())
}

/// The name of a type or variant.
pub(crate) fn camel(name: &str) -> String {
    identifier(name.to_upper_camel_case())
}

/// The name of an enum value: without the name of the enum in front.
pub(crate) fn variant(enum_name: &str, value: &str) -> String {
    let (prefix, value) = (enum_name.to_upper_camel_case(), value.to_upper_camel_case());
    match value.strip_prefix(&prefix) {
        Some(rest) if rest.starts_with(char::is_uppercase) => identifier(rest.to_owned()),
        _ => identifier(value),
    }
}

/// The last parts of a name, from the package on: `["Order", "Item"]`.
pub(crate) fn parts(name: &str) -> impl Iterator<Item = &str> {
    name.split('.').filter(|part| !part.is_empty())
}

/// Escapes what cannot be an identifier as it is.
fn identifier(name: String) -> String {
    match name.as_str() {
        "as" | "break" | "const" | "continue" | "else" | "enum" | "false" | "fn" | "for" | "if" | "impl"
        | "in" | "let" | "loop" | "match" | "mod" | "move" | "mut" | "pub" | "ref" | "return" | "static"
        | "struct" | "trait" | "true" | "type" | "unsafe" | "use" | "where" | "while" | "dyn"
        | "abstract" | "become" | "box" | "do" | "final" | "macro" | "override" | "priv" | "typeof"
        | "unsized" | "virtual" | "yield" | "async" | "await" | "try" | "gen" => format!("r#{name}"),
        // These cannot be raw identifiers.
        "_" | "super" | "self" | "Self" | "extern" | "crate" => format!("{name}_"),
        _ if name.starts_with(|c: char| c.is_numeric()) => format!("_{name}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_and_numbers_become_identifiers() {
        for (name, expected) in [
            ("displayName", "display_name"),
            ("XMLHttpRequest", "xml_http_request"),
            ("Type", "r#type"),
            ("self", "self_"),
            ("_3d", "_3d"),
        ] {
            assert_eq!(snake(name), expected);
        }
        assert_eq!(camel("HTTP_request"), "HttpRequest");
        assert_eq!(camel("self"), "Self_");
    }

    #[test]
    fn the_name_of_an_enum_is_taken_from_its_values() {
        assert_eq!(variant("Status", "STATUS_ACTIVE"), "Active");
        assert_eq!(variant("Status", "STATUSES"), "Statuses");
        assert_eq!(variant("Status", "ACTIVE"), "Active");
        assert_eq!(variant("Dimension", "DIMENSION_3D"), "Dimension3d");
    }
}

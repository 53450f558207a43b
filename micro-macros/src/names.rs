//! Names on the wire.

use heck::{ToKebabCase as _, ToUpperCamelCase as _};
use proc_macro2::Ident;
use syn::LitStr;
use syn::ext::IdentExt as _;

use crate::errors::Errors;

/// The name of a method whose author gave none: `say_hello` is `SayHello`.
pub(crate) fn method(ident: &Ident) -> String {
    ident.unraw().to_string().to_upper_camel_case()
}

/// The name in the registry of a service whose caller gave none: `AuditLog` is `audit-log`.
pub(crate) fn registry(service: &str) -> String {
    service.to_kebab_case()
}

/// A name given as a literal: one identifier.
pub(crate) fn identifier(literal: &LitStr, errors: &mut Errors) -> Option<String> {
    let name = literal.value();
    if is_identifier(&name) {
        return Some(name);
    }
    errors.add(
        literal,
        format_args!(
            "`{name}` is not a name: it becomes part of a path, so it has letters, digits and `_`, and does not begin with a digit\n\
             write for example `name = \"Greeter\"`"
        ),
    );
    None
}

/// A name given as a literal: identifiers separated by dots.
pub(crate) fn dotted(literal: &LitStr, example: &str, errors: &mut Errors) -> Option<String> {
    let name = literal.value();
    if name.split('.').all(is_identifier) {
        return Some(name);
    }
    errors.add(
        literal,
        format_args!(
            "`{name}` is not a dotted name: its parts have letters, digits and `_`, and do not begin with a digit\n\
             write for example `{example}`"
        ),
    );
    None
}

fn is_identifier(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
        && characters.all(|character| character.is_ascii_alphanumeric() || character == '_')
}

#[cfg(test)]
mod tests {
    use proc_macro2::Span;

    use super::*;

    #[test]
    fn names_follow_from_identifiers() {
        let ident = |name| Ident::new(name, Span::call_site());
        assert_eq!(method(&ident("say_hello")), "SayHello");
        assert_eq!(method(&Ident::new_raw("match", Span::call_site())), "Match");
        assert_eq!(registry("AuditLog"), "audit-log");
        assert_eq!(registry("Greeter"), "greeter");
    }
}

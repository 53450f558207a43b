//! Which Rust type a protobuf type is.

use crate::config::Config;
use crate::names::{camel, parts, snake};

/// The types of `google.protobuf` that have their own JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WellKnown {
    Any,
    Duration,
    Empty,
    FieldMask,
    ListValue,
    NullValue,
    Struct,
    Timestamp,
    Value,
}

/// What a type name stands for.
#[derive(Debug)]
pub(crate) enum Resolved {
    /// A type of this package, another one, or another crate, by its path from the package's module.
    Path(String),
    WellKnown(WellKnown),
    /// A wrapper, by the name of its scalar: `Int64` for `google.protobuf.Int64Value`.
    Wrapper(&'static str),
    /// A type of `google.protobuf` that generated code knows nothing about.
    Unsupported,
}

/// Finds types, seen from one package.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Types<'a> {
    pub(crate) package: &'a str,
    pub(crate) config: &'a Config,
}

impl Types<'_> {
    /// Resolves a full name without a dot in front, of a type that is declared in `package`.
    pub(crate) fn resolve(&self, full_name: &str, package: &str) -> Resolved {
        if let Some(path) = extern_path(self.config, full_name) {
            return Resolved::Path(path);
        }
        if package == "google.protobuf" {
            let name = full_name.rsplit('.').next().unwrap_or(full_name);
            return well_known(name);
        }
        Resolved::Path(self.relative(full_name, package))
    }

    /// The path of a type of this crate.
    fn relative(&self, full_name: &str, package: &str) -> String {
        let here: Vec<_> = parts(self.package).collect();
        let there: Vec<_> = parts(package).collect();
        let common = here.iter().zip(&there).take_while(|(here, there)| here == there).count();
        let up = std::iter::repeat_n("super".to_owned(), here.len() - common);
        let down = there.iter().skip(common).map(|part| snake(part));
        up.chain(down).chain([type_path(full_name, package)]).collect::<Vec<_>>().join("::")
    }
}

/// The path of a type from the module of the package it is declared in: `order::Item`.
pub(crate) fn type_path(full_name: &str, package: &str) -> String {
    let mut names: Vec<_> = parts(full_name).skip(parts(package).count()).collect();
    let last = names.pop().unwrap_or_default();
    let path = names.into_iter().map(snake).chain([camel(last)]);
    path.collect::<Vec<_>>().join("::")
}

/// The path of a type that comes from another crate. The longest match wins.
pub(crate) fn extern_path(config: &Config, full_name: &str) -> Option<String> {
    let full_name = format!(".{full_name}");
    let covers = |prefix: &str| {
        full_name.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let paths = config.extern_paths.iter();
    let (prefix, rust) = paths.filter(|(prefix, _)| covers(prefix)).max_by_key(|(prefix, _)| prefix.len())?;
    let mut names: Vec<_> = parts(&full_name[prefix.len()..]).collect();
    let Some(last) = names.pop() else { return Some(rust.clone()) };
    // The path may be that of a type, whose nested types are in a module of the same name.
    let modules = rust.split("::").map(|part| if part == "crate" { part.to_owned() } else { snake(part) });
    let path = modules.chain(names.into_iter().map(snake)).chain([camel(last)]);
    Some(path.collect::<Vec<_>>().join("::"))
}

fn well_known(name: &str) -> Resolved {
    let known = match name {
        "Any" => WellKnown::Any,
        "Duration" => WellKnown::Duration,
        "Empty" => WellKnown::Empty,
        "FieldMask" => WellKnown::FieldMask,
        "ListValue" => WellKnown::ListValue,
        "NullValue" => WellKnown::NullValue,
        "Struct" => WellKnown::Struct,
        "Timestamp" => WellKnown::Timestamp,
        "Value" => WellKnown::Value,
        "BoolValue" => return Resolved::Wrapper("Bool"),
        "BytesValue" => return Resolved::Wrapper("Bytes"),
        "DoubleValue" => return Resolved::Wrapper("Double"),
        "FloatValue" => return Resolved::Wrapper("Float"),
        "Int32Value" => return Resolved::Wrapper("Int32"),
        "Int64Value" => return Resolved::Wrapper("Int64"),
        "StringValue" => return Resolved::Wrapper("String"),
        "UInt32Value" => return Resolved::Wrapper("Uint32"),
        "UInt64Value" => return Resolved::Wrapper("Uint64"),
        _ => return Resolved::Unsupported,
    };
    Resolved::WellKnown(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(config: &Config, from: &str, full_name: &str, package: &str) -> String {
        match (Types { package: from, config }).resolve(full_name, package) {
            Resolved::Path(path) => path,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn types_are_found_from_the_module_of_a_package() {
        let config = Config::default();
        assert_eq!(path(&config, "shop.v1", "shop.v1.Order.LineItem", "shop.v1"), "order::LineItem");
        assert_eq!(path(&config, "shop.v1", "shop.v2.Order", "shop.v2"), "super::v2::Order");
        assert_eq!(path(&config, "shop.v1", "common.Money", "common"), "super::super::common::Money");
        assert_eq!(path(&config, "", "common.Money", "common"), "common::Money");
        assert_eq!(path(&config, "shop", "Money", ""), "super::Money");
    }

    #[test]
    fn the_longest_extern_path_wins() {
        let config = Config::default()
            .extern_path("common", "::common")
            .extern_path("common.money", "crate::money")
            .extern_path("common.Id", "::ids::Identifier");
        assert_eq!(path(&config, "shop", "common.Page.Token", "common"), "::common::page::Token");
        assert_eq!(path(&config, "shop", "common.money.Money", "common.money"), "crate::money::Money");
        assert_eq!(path(&config, "shop", "common.Id", "common"), "::ids::Identifier");
        assert_eq!(path(&config, "shop", "common.Id.Kind", "common"), "::ids::identifier::Kind");
        assert_eq!(path(&config, "shop", "commons.Id", "commons"), "super::commons::Id");
    }
}

//! The table of messages that can be inside a `google.protobuf.Any`.
//!
//! A package that is included alone knows its own messages; one that is included together with all
//! others knows theirs as well. Both know those of other crates.

use super::ALLOW;
use crate::code::Code;
use crate::config::Config;
use crate::model::{Extern, Package};

/// The name of the table that the messages of a package use.
pub(super) fn name_in(package: &Package) -> String {
    format!("__MicroTypes_{}", package.modules.join("_").replace("r#", ""))
}

/// The table of a package alone, where one of its messages needs it.
pub(super) fn of_one(package: &Package, externs: &[Extern], config: &Config) -> String {
    let mut code = Code::default();
    if package.has_any() {
        let own = package.messages.iter().map(|message| (&*message.full_name, message.path.clone()));
        table(&mut code, &name_in(package), own.collect(), externs, config);
    }
    code.finish()
}

/// The table of all packages, where a message of any needs it.
pub(super) fn of_all(packages: &[Package], externs: &[Extern], config: &Config) -> String {
    let mut code = Code::default();
    if packages.iter().any(Package::has_any) {
        let own = packages.iter().flat_map(|package| {
            let path = |path: &str| {
                let modules = package.modules.iter().map(String::as_str);
                modules.chain([path]).collect::<Vec<_>>().join("::")
            };
            package.messages.iter().map(move |message| (&*message.full_name, path(&message.path)))
        });
        table(&mut code, &name_of_all(config), own.collect(), externs, config);
    }
    code.finish()
}

/// In the module of a package, the table of all under the name that its messages use.
pub(super) fn imported(package: &Package, config: &Config) -> String {
    let mut code = Code::default();
    if package.has_any() {
        let up = if package.modules.is_empty() {
            "self::".to_owned()
        } else {
            "super::".repeat(package.modules.len())
        };
        code.line("").line(NAMES);
        code.line(format!("use {up}{} as {};", name_of_all(config), name_in(package)));
    }
    code.finish()
}

/// What stands before an item whose name is only for generated code.
const NAMES: &str = "#[allow(non_camel_case_types, unused_imports)]";

/// A script may write several files for all packages, and a module may include them.
fn name_of_all(config: &Config) -> String {
    let file: String =
        config.include_file.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("__MicroTypes_in_{file}")
}

fn table(code: &mut Code, name: &str, own: Vec<(&str, String)>, externs: &[Extern], config: &Config) {
    let mut all = own;
    let own = all.iter_mut();
    own.for_each(|(_, path)| path.insert_str(0, "self::"));
    all.extend(externs.iter().map(|known| (&*known.full_name, known.path.clone())));
    // It is searched by name.
    all.sort();
    code.line("").line("#[doc(hidden)]").line(NAMES).line(format!("struct {name};"));
    code.line("").line(ALLOW).open("const _: () = {");
    code.line(format!("use {}::__private::protobuf as __json;", config.crate_path));
    code.line("").open(format!("impl __json::Types for {name} {{"));
    code.open("const ALL: &'static [__json::Type] = &[");
    for (full_name, path) in all {
        code.line(format!("__json::Type::of::<{path}>({full_name:?}),"));
    }
    code.close("];").close("}").close("};");
}

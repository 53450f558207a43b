//! Structs and enums with their protobuf encoding, by prost. Nothing else in this crate knows it.

use std::collections::HashMap;

use super::ALLOW;
use crate::code::Code;
use crate::compile::Compiled;
use crate::config::Config;
use crate::docs;
use crate::error::{Error, Result};

/// The types of each package, by the modules it is in.
pub(super) fn generate(compiled: &Compiled, config: &Config) -> Result<HashMap<Vec<String>, String>> {
    let files = compiled.pool.files().map(|file| {
        let mut file = file.file_descriptor_proto().clone();
        file.source_code_info.iter_mut().for_each(docs::tame);
        (prost_build::Module::from_protobuf_package_name(file.package()), file)
    });
    let modules = configured(config)
        .generate(files.collect())
        .map_err(|error| Error::new(format!("cannot generate the messages: {error}")))?;
    Ok(modules.into_iter().map(|(module, text)| (parts(&module), finished(&text))).collect())
}

fn parts(module: &prost_build::Module) -> Vec<String> {
    module.parts().map(str::to_owned).collect()
}

fn configured(config: &Config) -> prost_build::Config {
    let mut prost = prost_build::Config::new();
    prost.prost_path(format!("{}::__private::prost", config.crate_path));
    prost.prost_types_path(format!("{}::protobuf", config.crate_path));
    prost.bytes(&config.bytes);
    prost.btree_map(&config.btree_map);
    for (path, rust) in &config.extern_paths {
        prost.extern_path(path, rust);
    }
    for (path, attribute) in &config.type_attributes {
        prost.type_attribute(path, attribute);
    }
    for (path, attribute) in &config.field_attributes {
        prost.field_attribute(path, attribute);
    }
    prost
}

/// Puts our `allow` before every item, leaves out the first line, which names the generator, and
/// writes `Debug` where prost cannot.
fn finished(text: &str) -> String {
    let mut code = Code::default();
    let mut item = Item::default();
    for line in text.lines().filter(|line| !line.starts_with("// This file is @generated")) {
        let start = line.trim_start();
        if ["#[derive(", "impl ", "pub mod "].iter().any(|keyword| start.starts_with(keyword)) {
            item.finish(&mut code);
            code.line(format!("{}{ALLOW}", &line[..line.len() - start.len()]));
        }
        item.read(line);
        if start == "}" {
            item.finish(&mut code);
        }
    }
    item.finish(&mut code);
    code.finish()
}

/// The lines of a struct, or of anything else.
#[derive(Default)]
struct Item<'a> {
    lines: Vec<&'a str>,
    name: Option<&'a str>,
    fields: Vec<&'a str>,
    has_btree_map: bool,
}

impl<'a> Item<'a> {
    fn read(&mut self, line: &'a str) {
        self.lines.push(line);
        let line = line.trim_start();
        if let Some(name) = line.strip_prefix("pub struct ").and_then(|rest| rest.split(' ').next()) {
            self.name = Some(name);
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|rest| rest.split_once(": ")) {
            self.fields.push(field);
        }
        self.has_btree_map |= line.starts_with("#[prost(btree_map = ");
    }

    /// The `Debug` that prost derives for a `BTreeMap` does not know the path of prost, so such a
    /// struct gets ours.
    fn finish(&mut self, code: &mut Code) {
        let Self { lines, name, fields, has_btree_map } = std::mem::take(self);
        let ours = name.filter(|_| has_btree_map);
        for line in lines {
            if ours.is_some() && line.trim_start().starts_with("pub struct ") {
                code.line("#[prost(skip_debug)]");
            }
            code.line(line);
        }
        let Some(name) = ours else { return };
        code.line(ALLOW).open(format!("impl ::core::fmt::Debug for {name} {{"));
        code.open("fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {");
        code.line(format!("f.debug_struct({name:?})"));
        for field in fields {
            code.line(format!("    .field({:?}, &self.{field})", field.trim_start_matches("r#")));
        }
        code.line("    .finish()").close("}").close("}");
    }
}

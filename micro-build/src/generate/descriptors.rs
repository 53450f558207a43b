//! The descriptors of a package, which a server hands to those who ask what it serves.

use std::collections::BTreeSet;

use prost::encoding::{DecodeContext, WireType, decode_key, encode_key, encode_varint, skip_field};
use prost_reflect::FileDescriptor;

use crate::code::Code;
use crate::compile::Compiled;
use crate::config::Config;
use crate::model::Package;

/// The field of a file set that holds a file.
const FILE: u32 = 1;
/// The field of a file that holds comments and lines.
const SOURCE_INFO: u32 = 9;

/// The name of the constant that holds the descriptors of a package; none where they are not wanted.
pub(super) fn name_in(package: &Package, config: &Config) -> Option<String> {
    config.embed_descriptors.then(|| {
        let modules = package.modules.join("_").replace("r#", "");
        format!("__MICRO_DESCRIPTORS_{modules}")
    })
}

/// The name of the file that holds them.
pub(super) fn file_of(package: &str) -> String {
    format!("{package}.descriptors.bin")
}

/// The constant, which reads the file.
pub(super) fn constant(code: &mut Code, package: &Package, file: &str, config: &Config) {
    let Some(name) = name_in(package, config) else { return };
    code.line("").line("#[doc(hidden)]").line("#[allow(non_upper_case_globals, dead_code)]");
    code.line(format!("const {name}: &[u8] = ::core::include_bytes!({file:?});"));
}

/// An encoded `google.protobuf.FileDescriptorSet` with the files of a package and all that they
/// import, each behind its imports.
///
/// Comments are left out: who may ask a service what it serves is not always who may read its source.
pub(super) fn encoded(package: &Package, compiled: &Compiled) -> Vec<u8> {
    let (mut files, mut known) = (Vec::new(), BTreeSet::new());
    for file in compiled.pool.files().filter(|file| file.package_name() == package.name) {
        add(file, &mut known, &mut files);
    }
    let mut set = Vec::new();
    for file in files {
        let file = without_source(&file.encode_to_vec());
        encode_key(FILE, WireType::LengthDelimited, &mut set);
        encode_varint(file.len() as u64, &mut set);
        set.extend_from_slice(&file);
    }
    set
}

fn add(file: FileDescriptor, known: &mut BTreeSet<String>, files: &mut Vec<FileDescriptor>) {
    if known.insert(file.name().to_owned()) {
        for import in file.dependencies() {
            add(import, known, files);
        }
        files.push(file);
    }
}

/// The file without comments and lines, and with everything else as it is: to decode it would lose
/// the options that nobody here knows.
fn without_source(file: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(file.len());
    let mut rest = file;
    while !rest.is_empty() {
        let field = rest;
        // What the compiler just wrote can be read.
        let Ok((tag, wire_type)) = decode_key(&mut rest) else { break };
        if skip_field(wire_type, tag, &mut rest, DecodeContext::default()).is_err() {
            break;
        }
        if tag != SOURCE_INFO {
            kept.extend_from_slice(&field[..field.len() - rest.len()]);
        }
    }
    kept
}

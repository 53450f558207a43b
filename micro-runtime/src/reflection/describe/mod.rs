//! Files for contracts that were written in Rust.
//!
//! Their messages are serde types, which have names and shapes and no numbers: fields are numbered as
//! they are written. Nothing on the wire depends on that, because such a type travels as JSON.
//!
//! What protobuf has no word for is described as the well-known type that holds any JSON of its kind:
//! `Value`, `ListValue` or `Struct`.

mod fields;
mod names;
mod same;

use std::collections::{BTreeMap, BTreeSet};

use prost_types::method_options::IdempotencyLevel;
use prost_types::{FileDescriptorProto, MethodOptions};

use super::files::Files;
use super::known;
use crate::endpoint::{BodyDescriptor, MethodDescriptor, ServiceDescriptor};
use crate::message::{Shape, ShapeKind, wrapper};
use crate::protobuf::descriptor::{self, Of, enumeration};
use names::Names;
use same::same;

const VALUE: &str = "google.protobuf.Value";
const LIST: &str = "google.protobuf.ListValue";
const OBJECT: &str = "google.protobuf.Struct";
const EMPTY: &str = "google.protobuf.Empty";

/// A file for each package that these services, or their messages, are in, and those that they
/// import and that are not in `files`.
pub(super) fn describe(services: &[&'static ServiceDescriptor], files: &Files) -> Vec<FileDescriptorProto> {
    let mut describer = Describer { files, packages: BTreeMap::new(), types: Vec::new() };
    for service in services {
        let (package, name) = split(service.name);
        describer.package(package).names.take(name);
    }
    for service in services {
        describer.service(service);
    }
    describer.finish()
}

struct Describer<'a> {
    /// What was compiled, which messages may refer to.
    files: &'a Files,
    packages: BTreeMap<String, Package>,
    types: Vec<Type>,
}

/// A type that was described.
struct Type {
    package: String,
    shape: &'static Shape,
    of: Of,
}

/// A file that is being written.
#[derive(Default)]
struct Package {
    file: FileDescriptorProto,
    names: Names,
    /// Other packages that are written and that this one uses types of.
    uses: BTreeSet<String>,
    /// The names of files that were there before.
    imports: BTreeSet<String>,
}

impl Describer<'_> {
    fn package(&mut self, name: &str) -> &mut Package {
        self.packages.entry(name.to_owned()).or_default()
    }

    fn service(&mut self, service: &ServiceDescriptor) {
        let (package, name) = split(service.name);
        let methods = service.methods.iter().map(|method| self.method(package, method)).collect();
        self.package(package).file.service.push(descriptor::service(name, methods));
    }

    fn method(&mut self, package: &str, method: &MethodDescriptor) -> prost_types::MethodDescriptorProto {
        let request = self.body(package, &method.request);
        let response = self.body(package, &method.response);
        let mut described = descriptor::method(
            method.name,
            (&request, method.request.stream),
            (&response, method.response.stream),
        );
        if method.idempotent || method.deprecated {
            described.options = Some(MethodOptions {
                deprecated: method.deprecated.then_some(true),
                // What may be called with GET is what protobuf calls free of side effects.
                idempotency_level: match (method.http_get, method.idempotent) {
                    (true, _) => Some(IdempotencyLevel::NoSideEffects.into()),
                    (false, true) => Some(IdempotencyLevel::Idempotent.into()),
                    (false, false) => None,
                },
                ..MethodOptions::default()
            });
        }
        described
    }

    /// What a method takes or gives is a message; the full name of it.
    fn body(&mut self, package: &str, body: &BodyDescriptor) -> String {
        let name = match (body.shape.kind, self.of(package, body.shape)) {
            (_, Of::Message(name)) => name,
            (ShapeKind::Scalar, _) => wrapper(body.shape.name).unwrap_or(VALUE).to_owned(),
            _ => VALUE.to_owned(),
        };
        self.import(package, &name);
        name
    }

    /// The type of one value, seen from a package.
    fn of(&mut self, package: &str, shape: &'static Shape) -> Of {
        let of = self.find(package, shape);
        if let Of::Message(name) | Of::Enum(name) = &of {
            self.import(package, name);
        }
        of
    }

    fn find(&mut self, package: &str, shape: &'static Shape) -> Of {
        if shape.name == "google.protobuf.NullValue" {
            return Of::Enum(shape.name.to_owned());
        }
        if known::file_of(shape.name).is_some() {
            return Of::message(shape.name);
        }
        match shape.kind {
            ShapeKind::Scalar => Of::scalar(shape.name).unwrap_or_else(|| Of::message(VALUE)),
            ShapeKind::List(_) => Of::message(LIST),
            ShapeKind::Map(_) => Of::message(OBJECT),
            ShapeKind::Struct(fields) if fields::is_tuple(fields) => Of::message(LIST),
            ShapeKind::Enum([]) => Of::message(VALUE),
            ShapeKind::Struct(_) | ShapeKind::Enum(_) => self.declared(package, shape),
            ShapeKind::Opaque if shape.name == "tuple" => Of::message(LIST),
            ShapeKind::Optional(_) | ShapeKind::Opaque => Of::message(VALUE),
        }
    }

    /// A type with a name of its own, which is described when it is met for the first time.
    fn declared(&mut self, from: &str, shape: &'static Shape) -> Of {
        let plain_enum = match shape.kind {
            ShapeKind::Enum(variants) => variants.iter().all(|variant| variant.fields.is_empty()),
            _ => false,
        };
        let of = |name: String| if plain_enum { Of::Enum(name) } else { Of::Message(name) };
        let full = shape.name.contains('.');
        if full && self.files.of_symbol(shape.name).is_some() {
            // A generated type is described already, and better.
            return of(shape.name.to_owned());
        }
        // A type that names no package is in that of the one which uses it.
        let (package, name) = if full { split(shape.name) } else { (from, shape.name) };
        if package != from {
            if self.reaches(package, from) {
                // Files cannot import each other in a circle.
                return Of::message(VALUE);
            }
            self.package(from).uses.insert(package.to_owned());
        }
        let is_known = |known: &&Type| known.package == package && same(known.shape, shape);
        if let Some(known) = self.types.iter().find(is_known) {
            return known.of.clone();
        }
        let files = self.files;
        let is_free = |name: &str| files.of_symbol(&join(package, name)).is_none();
        let name = self.package(package).names.free(name, is_free);
        let of = of(join(package, &name));
        self.types.push(Type { package: package.to_owned(), shape, of: of.clone() });
        match shape.kind {
            ShapeKind::Enum(variants) if plain_enum => {
                let file = self.package(package);
                let values = file.names.values(&name, variants);
                file.file.enum_type.push(enumeration(name, values));
            }
            _ => {
                let described = self.message(package, &join(package, &name), name, shape.kind);
                self.package(package).file.message_type.push(described);
            }
        }
        of
    }

    /// Notes that the file of a package needs the one in which a type is that was there before.
    fn import(&mut self, package: &str, name: &str) {
        let file = known::file_of(name)
            .or_else(|| self.files.of_symbol(name).and_then(|file| self.files.name_of(file)));
        if let Some(file) = file.map(str::to_owned) {
            self.package(package).imports.insert(file);
        }
    }

    /// Whether a package uses types of another one, itself or through others.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let (mut next, mut seen) = (vec![from], BTreeSet::new());
        while let Some(package) = next.pop() {
            if package == to {
                return true;
            }
            if seen.insert(package)
                && let Some(package) = self.packages.get(package)
            {
                next.extend(package.uses.iter().map(String::as_str));
            }
        }
        false
    }

    fn finish(self) -> Vec<FileDescriptorProto> {
        let mut missing = BTreeSet::new();
        let mut files = Vec::new();
        for (name, package) in self.packages {
            let uses = package.uses.iter().map(|used| file_of(used));
            let described = FileDescriptorProto {
                dependency: package.imports.iter().cloned().chain(uses).collect(),
                ..descriptor::file(file_of(&name), name)
            };
            let Package { file, imports, .. } = package;
            files.push(FileDescriptorProto {
                message_type: file.message_type,
                enum_type: file.enum_type,
                service: file.service,
                ..described
            });
            missing.extend(imports.into_iter().filter(|import| self.files.by_name(import).is_none()));
        }
        files.extend(missing.iter().map(|import| known::file(import)));
        files
    }
}

/// The name of the file that describes a package.
fn file_of(package: &str) -> String {
    format!("micro/{}.proto", if package.is_empty() { "_" } else { package })
}

fn split(full_name: &str) -> (&str, &str) {
    full_name.rsplit_once('.').unwrap_or(("", full_name))
}

fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

#[cfg(test)]
mod tests;

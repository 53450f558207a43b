//! From descriptors to the model.

use std::collections::{BTreeMap, HashMap};

use prost_reflect::{
    Cardinality, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor, Kind as ProtoKind,
    MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};
use prost_types::method_options::IdempotencyLevel;
use prost_types::source_code_info::Location;

use super::types::{extern_path, type_path};
use super::{
    Enum, EnumValue, Field, Kind, Member, Message, Method, Oneof, Package, Resolved, Service, Shape, Types,
    WellKnown, check,
};
use crate::compile::Compiled;
use crate::config::Config;
use crate::docs;
use crate::error::{Error, Result};
use crate::names::{camel, parts, snake};

/// Builds the packages, and refuses what would not compile as Rust.
pub(crate) fn build(compiled: &Compiled, config: &Config) -> Result<Vec<Package>> {
    let mut packages = BTreeMap::<String, Package>::new();
    for file in compiled.pool.files() {
        let name = file.package_name();
        if name == "google.protobuf" {
            continue;
        }
        let package = packages.entry(name.to_owned()).or_insert_with(|| Package {
            name: name.to_owned(),
            modules: parts(name).map(snake).collect(),
            messages: Vec::new(),
            enums: Vec::new(),
            services: Vec::new(),
            needs: None,
        });
        Builder::new(&file, compiled, config).fill(package)?;
    }
    packages.retain(|_, package| {
        !(package.messages.is_empty() && package.enums.is_empty() && package.services.is_empty())
    });
    let packages: Vec<_> = packages.into_values().collect();
    check::check(&packages, compiled)?;
    Ok(packages)
}

struct Builder<'a> {
    file: &'a FileDescriptor,
    compiled: &'a Compiled,
    config: &'a Config,
    types: Types<'a>,
    locations: HashMap<&'a [i32], &'a Location>,
}

impl<'a> Builder<'a> {
    fn new(file: &'a FileDescriptor, compiled: &'a Compiled, config: &'a Config) -> Self {
        let info = file.file_descriptor_proto().source_code_info.as_ref();
        let locations = info.into_iter().flat_map(|info| &info.location);
        Self {
            file,
            compiled,
            config,
            types: Types { package: file.package_name(), config },
            locations: locations.map(|location| (location.path.as_slice(), location)).collect(),
        }
    }

    fn fill(&self, package: &mut Package) -> Result<()> {
        for message in self.file.messages() {
            self.message(&message, package)?;
        }
        for enumeration in self.file.enums() {
            self.enumeration(&enumeration, package);
        }
        if self.config.services {
            for service in self.file.services() {
                let service = self.service(&service, package)?;
                package.services.push(service);
            }
        }
        Ok(())
    }

    fn doc(&self, path: &[i32]) -> String {
        docs::text(self.locations.get(path).copied())
    }

    /// An error at an item of the file.
    fn error(&self, path: &[i32], message: String) -> Error {
        at(message, self.file, path, self.compiled)
    }

    fn message(&self, message: &MessageDescriptor, package: &mut Package) -> Result<()> {
        if message.is_map_entry() || extern_path(self.config, message.full_name()).is_some() {
            return Ok(());
        }
        let mut members = Vec::new();
        for field in in_order(message.fields(), FieldDescriptor::path) {
            match field.containing_oneof().filter(|oneof| !oneof.is_synthetic()) {
                None => members.push(Member::Field(self.field(&field, package)?)),
                Some(oneof) => {
                    // The whole of it stands where its first field does.
                    let known = |member: &Member| matches!(member, Member::Oneof(known) if known.name == oneof.name());
                    if members.iter().any(known) {
                        continue;
                    }
                    let fields = in_order(oneof.fields(), FieldDescriptor::path);
                    let fields = fields.iter().map(|field| self.oneof_field(field, package));
                    members.push(Member::Oneof(Oneof {
                        name: oneof.name().to_owned(),
                        rust_name: snake(oneof.name()),
                        path: oneof_path(message, oneof.name()),
                        fields: fields.collect::<Result<_>>()?,
                    }));
                }
            }
        }
        package.messages.push(Message {
            full_name: message.full_name().to_owned(),
            path: type_path(message.full_name(), message.package_name()),
            doc: self.doc(message.path()),
            members,
        });
        for nested in message.child_messages() {
            self.message(&nested, package)?;
        }
        for nested in message.child_enums() {
            self.enumeration(&nested, package);
        }
        Ok(())
    }

    fn field(&self, field: &FieldDescriptor, package: &mut Package) -> Result<Field> {
        let shape = if field.is_map() {
            match field.kind() {
                ProtoKind::Message(entry) => {
                    Shape::Map(self.kind(&entry.map_entry_value_field(), field, package)?)
                }
                // A map is always made of entries, which are messages.
                _ => return Err(self.error(field.path(), "the map has no entry".to_owned())),
            }
        } else {
            let kind = self.kind(field, field, package)?;
            match field.cardinality() {
                Cardinality::Repeated => Shape::List(kind),
                Cardinality::Required => Shape::Required(kind),
                Cardinality::Optional if field.supports_presence() => Shape::Optional(kind),
                Cardinality::Optional => Shape::Plain(kind),
            }
        };
        Ok(self.named(field, snake(field.name()), shape))
    }

    fn oneof_field(&self, field: &FieldDescriptor, package: &mut Package) -> Result<Field> {
        let kind = self.kind(field, field, package)?;
        Ok(self.named(field, camel(field.name()), Shape::Required(kind)))
    }

    fn named(&self, field: &FieldDescriptor, rust_name: String, shape: Shape) -> Field {
        Field {
            name: field.name().to_owned(),
            json_name: field.json_name().to_owned(),
            rust_name,
            doc: self.doc(field.path()),
            shape,
        }
    }

    /// The kind of the values of a field; `field` is what to blame.
    fn kind(&self, value: &FieldDescriptor, field: &FieldDescriptor, package: &mut Package) -> Result<Kind> {
        Ok(match value.kind() {
            ProtoKind::Bool => Kind::Bool,
            ProtoKind::String => Kind::String,
            ProtoKind::Bytes => Kind::Bytes,
            ProtoKind::Float => Kind::Float,
            ProtoKind::Double => Kind::Double,
            ProtoKind::Int32 | ProtoKind::Sint32 | ProtoKind::Sfixed32 => Kind::Int32,
            ProtoKind::Int64 | ProtoKind::Sint64 | ProtoKind::Sfixed64 => Kind::Int64,
            ProtoKind::Uint32 | ProtoKind::Fixed32 => Kind::Uint32,
            ProtoKind::Uint64 | ProtoKind::Fixed64 => Kind::Uint64,
            ProtoKind::Message(message) => {
                match self.resolve(message.full_name(), message.package_name(), package) {
                    Resolved::Path(path) => Kind::Message(path),
                    Resolved::WellKnown(known) => Kind::WellKnown(known),
                    Resolved::Wrapper(scalar) => wrapped(scalar),
                    Resolved::Unsupported => return Err(self.unsupported(message.full_name(), field.path())),
                }
            }
            ProtoKind::Enum(of) => match self.resolve(of.full_name(), of.package_name(), package) {
                Resolved::Path(path) => Kind::Enum(path),
                Resolved::WellKnown(known) => Kind::WellKnown(known),
                _ => return Err(self.unsupported(of.full_name(), field.path())),
            },
        })
    }

    /// Resolves a type, and notes where the package needs another one.
    fn resolve(&self, full_name: &str, of: &str, package: &mut Package) -> Resolved {
        let resolved = self.types.resolve(full_name, of);
        let elsewhere = of != package.name && extern_path(self.config, full_name).is_none();
        if elsewhere && matches!(resolved, Resolved::Path(_)) {
            package.needs = Some(of.to_owned());
        }
        resolved
    }

    fn unsupported(&self, name: &str, path: &[i32]) -> Error {
        self.error(path, format!("`{name}` cannot be used here"))
            .with_help("of google.protobuf these are supported: Any, Duration, Empty, FieldMask, ListValue, NullValue, Struct, Timestamp, Value, and the wrappers")
    }

    fn enumeration(&self, of: &EnumDescriptor, package: &mut Package) {
        if extern_path(self.config, of.full_name()).is_some() {
            return;
        }
        let values = in_order(of.values(), EnumValueDescriptor::path).into_iter().map(|value| EnumValue {
            name: value.name().to_owned(),
            number: value.number(),
            doc: self.doc(value.path()),
        });
        package.enums.push(Enum {
            full_name: of.full_name().to_owned(),
            path: type_path(of.full_name(), of.package_name()),
            doc: self.doc(of.path()),
            values: values.collect(),
        });
    }

    fn service(&self, service: &ServiceDescriptor, package: &mut Package) -> Result<Service> {
        let methods = service.methods().map(|method| self.method(&method, package));
        let options = service.service_descriptor_proto().options.as_ref();
        Ok(Service {
            name: service.name().to_owned(),
            rust_name: camel(service.name()),
            doc: self.doc(service.path()),
            deprecated: options.is_some_and(|options| options.deprecated()),
            methods: methods.collect::<Result<_>>()?,
        })
    }

    fn method(&self, method: &MethodDescriptor, package: &mut Package) -> Result<Method> {
        let options = method.method_descriptor_proto().options.as_ref();
        let level =
            options.map_or(IdempotencyLevel::IdempotencyUnknown, |options| options.idempotency_level());
        Ok(Method {
            name: method.name().to_owned(),
            rust_name: method_name(method.name()),
            doc: self.doc(method.path()),
            deprecated: options.is_some_and(|options| options.deprecated()),
            idempotent: level != IdempotencyLevel::IdempotencyUnknown,
            no_get: level == IdempotencyLevel::Idempotent,
            request: self.method_type(&method.input(), method, package)?,
            request_stream: method.is_client_streaming(),
            response: self.method_type(&method.output(), method, package)?,
            response_stream: method.is_server_streaming(),
        })
    }

    fn method_type(
        &self,
        message: &MessageDescriptor,
        method: &MethodDescriptor,
        package: &mut Package,
    ) -> Result<String> {
        let name = message.full_name();
        let scalar = match self.resolve(name, message.package_name(), package) {
            Resolved::Path(path) => return Ok(path),
            Resolved::WellKnown(WellKnown::Empty) => "()",
            Resolved::WellKnown(known) => {
                return Ok(format!("{}::protobuf::{known:?}", self.config.crate_path));
            }
            Resolved::Wrapper("Bool") => "bool",
            Resolved::Wrapper("String") => "::std::string::String",
            Resolved::Wrapper("Int32") => "i32",
            Resolved::Wrapper("Int64") => "i64",
            Resolved::Wrapper("Uint32") => "u32",
            Resolved::Wrapper("Uint64") => "u64",
            Resolved::Wrapper("Float") => "f32",
            Resolved::Wrapper("Double") => "f64",
            Resolved::Wrapper(_) | Resolved::Unsupported => {
                return Err(self
                    .error(method.path(), format!("`{name}` cannot be what a method takes or returns"))
                    .with_help("declare a message with a field for it"));
            }
        };
        Ok(scalar.to_owned())
    }
}

/// An error at an item, with its line.
pub(super) fn at(message: String, file: &FileDescriptor, path: &[i32], compiled: &Compiled) -> Error {
    let source = compiled.sources.path(file.name());
    let text = source.and_then(|source| std::fs::read_to_string(source).ok());
    let error = Error::new(message).in_file(source.map_or_else(|| file.name().into(), ToOwned::to_owned));
    let info = file.file_descriptor_proto().source_code_info.as_ref();
    let location = info.and_then(|info| info.location.iter().find(|location| location.path == path));
    match location.map(|location| location.span.as_slice()) {
        Some([line, column, ..]) => {
            let from_one = |number: i32| usize::try_from(number).unwrap_or_default() + 1;
            error.at((from_one(*line), from_one(*column)), text.as_deref())
        }
        _ => error,
    }
}

/// Items as they stand in the file; reflection has them by number.
fn in_order<T>(items: impl Iterator<Item = T>, path: fn(&T) -> &[i32]) -> Vec<T> {
    let mut items: Vec<_> = items.collect();
    items.sort_by_key(|item| path(item).last().copied());
    items
}

/// The type of a `oneof`: in the module of the message, and with another name where a nested type
/// has the same.
fn oneof_path(message: &MessageDescriptor, oneof: &str) -> String {
    let mut path: Vec<_> =
        parts(message.full_name()).skip(parts(message.package_name()).count()).map(snake).collect();
    let name = camel(oneof);
    let messages = message.child_messages().map(|nested| camel(nested.name()));
    let taken =
        messages.chain(message.child_enums().map(|nested| camel(nested.name()))).any(|taken| taken == name);
    path.push(if taken { format!("{name}OneOf") } else { name });
    path.join("::")
}

/// The client has methods of its own, which a contract cannot have as well.
fn method_name(name: &str) -> String {
    match snake(name).as_str() {
        reserved @ ("new" | "with_name") => format!("{reserved}_"),
        other => other.to_owned(),
    }
}

fn wrapped(scalar: &str) -> Kind {
    match scalar {
        "Bool" => Kind::Bool,
        "Bytes" => Kind::Bytes,
        "Double" => Kind::Double,
        "Float" => Kind::Float,
        "Int32" => Kind::Int32,
        "Int64" => Kind::Int64,
        "Uint32" => Kind::Uint32,
        "Uint64" => Kind::Uint64,
        _ => Kind::String,
    }
}

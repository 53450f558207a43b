//! Names that differ in a `.proto` file and are the same in Rust: `user_id` and `userId`. rustc would
//! complain about generated code; here the complaint is about the file.

use std::collections::{BTreeMap, HashMap, HashSet};

use prost_reflect::FileDescriptor;

use super::build::at;
use super::{Enum, Member, Message, Package, Service};
use crate::compile::Compiled;
use crate::error::Result;
use crate::names::variant;

pub(super) fn check(packages: &[Package], compiled: &Compiled) -> Result<()> {
    let checker = Checker { compiled };
    for package in packages {
        for message in &package.messages {
            checker.fields(message)?;
        }
        for of in &package.enums {
            checker.values(of)?;
        }
        for service in &package.services {
            checker.methods(package, service)?;
        }
        checker.types(package)?;
    }
    checker.modules(packages)
}

struct Checker<'a> {
    compiled: &'a Compiled,
}

/// Where an item is.
type Place = (FileDescriptor, Vec<i32>);

impl Checker<'_> {
    fn fields(&self, message: &Message) -> Result<()> {
        let mut fields = Names::default();
        for member in &message.members {
            match member {
                Member::Field(field) => {
                    self.once(&mut fields, "field", &field.rust_name, &field.name, || {
                        self.field(&message.full_name, &field.name)
                    })?;
                }
                Member::Oneof(oneof) => {
                    self.once(&mut fields, "field", &oneof.rust_name, &oneof.name, || {
                        self.oneof(&message.full_name, &oneof.name)
                    })?;
                    let mut variants = Names::default();
                    for field in &oneof.fields {
                        self.once(&mut variants, "variant", &field.rust_name, &field.name, || {
                            self.field(&message.full_name, &field.name)
                        })?;
                    }
                }
            }
        }
        Ok(())
    }

    fn values(&self, of: &Enum) -> Result<()> {
        let mut variants = Names::default();
        let mut numbers = HashSet::new();
        let enum_name = of.full_name.rsplit('.').next().unwrap_or_default();
        // An alias has no variant of its own.
        for value in of.values.iter().filter(|value| numbers.insert(value.number)) {
            self.once(&mut variants, "variant", &variant(enum_name, &value.name), &value.name, || {
                let of = self.compiled.pool.get_enum_by_name(&of.full_name)?;
                let value = of.get_value_by_name(&value.name)?;
                Some((of.parent_file(), value.path().to_vec()))
            })?;
        }
        Ok(())
    }

    fn methods(&self, package: &Package, service: &Service) -> Result<()> {
        let mut methods = Names::default();
        for method in &service.methods {
            self.once(&mut methods, "method", &method.rust_name, &method.name, || {
                let service = self.compiled.pool.get_service_by_name(&join(&package.name, &service.name))?;
                let found = service.methods().find(|found| found.name() == method.name)?;
                Some((service.parent_file(), found.path().to_vec()))
            })?;
        }
        Ok(())
    }

    fn types(&self, package: &Package) -> Result<()> {
        let mut types = Names::default();
        for message in &package.messages {
            self.once(&mut types, "type", &message.path, &message.full_name, || {
                self.message(&message.full_name)
            })?;
            for member in &message.members {
                if let Member::Oneof(oneof) = member {
                    self.once(&mut types, "type", &oneof.path, &oneof.name, || {
                        self.oneof(&message.full_name, &oneof.name)
                    })?;
                }
            }
        }
        for of in &package.enums {
            self.once(&mut types, "type", &of.path, &of.full_name, || {
                let found = self.compiled.pool.get_enum_by_name(&of.full_name)?;
                Some((found.parent_file(), found.path().to_vec()))
            })?;
        }
        for service in &package.services {
            for name in [service.rust_name.clone(), format!("{}Client", service.rust_name)] {
                self.once(&mut types, "trait or client", &name, &service.name, || {
                    let found =
                        self.compiled.pool.get_service_by_name(&join(&package.name, &service.name))?;
                    Some((found.parent_file(), found.path().to_vec()))
                })?;
            }
        }
        Ok(())
    }

    /// The types nested in the message `a.Foo` and those of the package `a.foo` would be in one
    /// module.
    fn modules(&self, packages: &[Package]) -> Result<()> {
        let mut modules = BTreeMap::new();
        for package in packages {
            for depth in 1..=package.modules.len() {
                modules.entry(package.modules[..depth].join("::")).or_insert(&package.name);
            }
        }
        for package in packages {
            for message in &package.messages {
                let Some((module, _)) = first_nested(message) else { continue };
                let path: Vec<_> = package.modules.iter().map(String::as_str).chain([module]).collect();
                if let Some(other) = modules.get(&path.join("::")) {
                    let (name, module) = (&message.full_name, path.join("::"));
                    let text = format!(
                        "`{name}` needs the module `{module}`, which is that of the package `{other}`"
                    );
                    let error = self.blame(text, self.message(&message.full_name));
                    return Err(error.with_help("rename one of them"));
                }
            }
        }
        Ok(())
    }

    /// Remembers a name; it is an error if it is known.
    fn once(
        &self,
        names: &mut Names,
        what: &str,
        rust: &str,
        name: &str,
        place: impl Fn() -> Option<Place>,
    ) -> Result<()> {
        let Some(other) = names.0.insert(rust.to_owned(), name.to_owned()) else { return Ok(()) };
        let text = format!("`{name}` and `{other}` are both the {what} `{rust}` in Rust");
        Err(self.blame(text, place()).with_help("rename one of them"))
    }

    fn blame(&self, text: String, place: Option<Place>) -> crate::Error {
        match place {
            Some((file, path)) => at(text, &file, &path, self.compiled),
            None => crate::Error::new(text),
        }
    }

    fn message(&self, name: &str) -> Option<Place> {
        let message = self.compiled.pool.get_message_by_name(name)?;
        Some((message.parent_file(), message.path().to_vec()))
    }

    fn field(&self, message: &str, name: &str) -> Option<Place> {
        let field = self.compiled.pool.get_message_by_name(message)?.get_field_by_name(name)?;
        Some((field.parent_file(), field.path().to_vec()))
    }

    fn oneof(&self, message: &str, name: &str) -> Option<Place> {
        let message = self.compiled.pool.get_message_by_name(message)?;
        let oneof = message.oneofs().find(|oneof| oneof.name() == name)?;
        Some((message.parent_file(), oneof.path().to_vec()))
    }
}

/// Names in Rust, and what has them.
#[derive(Default)]
struct Names(HashMap<String, String>);

/// The module of a nested type and the rest of its path: of the message itself, or of its `oneof`s.
fn first_nested(message: &Message) -> Option<(&str, &str)> {
    let oneofs = message.members.iter().filter_map(|member| match member {
        Member::Oneof(oneof) => Some(oneof.path.as_str()),
        Member::Field(_) => None,
    });
    std::iter::once(message.path.as_str()).chain(oneofs).find_map(|path| path.split_once("::"))
}

fn join(package: &str, name: &str) -> String {
    if package.is_empty() { name.to_owned() } else { format!("{package}.{name}") }
}

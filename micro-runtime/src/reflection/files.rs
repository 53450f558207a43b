use std::collections::{BTreeMap, HashMap, HashSet};

use bytes::Bytes;
use prost::Message as _;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

/// Files by name, and by what is declared in them.
#[derive(Default)]
pub(super) struct Files {
    files: Vec<File>,
    names: HashMap<String, usize>,
    /// Everything that has a full name, and the file it is in.
    symbols: HashMap<String, usize>,
    /// By the full name of a message, the numbers of its extensions and the files they are in.
    extensions: HashMap<String, BTreeMap<i32, usize>>,
}

struct File {
    name: String,
    encoded: Bytes,
    imports: Vec<String>,
}

/// A file descriptor set whose files are left as they are: to decode them would lose the options
/// that nobody here knows.
#[derive(Clone, PartialEq, prost::Message)]
struct Set {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

impl Files {
    /// Adds the files of an encoded set. Of two with the same name, the first one counts.
    pub(super) fn add_set(&mut self, set: impl Into<Bytes>) -> Result<(), prost::DecodeError> {
        for encoded in Set::decode(set.into())?.file {
            let file = FileDescriptorProto::decode(encoded.clone())?;
            self.insert(&file, encoded);
        }
        Ok(())
    }

    /// Adds a file, unless there is one with this name.
    pub(super) fn add(&mut self, file: &FileDescriptorProto) {
        self.insert(file, file.encode_to_vec().into());
    }

    fn insert(&mut self, file: &FileDescriptorProto, encoded: Bytes) {
        let index = self.files.len();
        if let Some(known) = self.names.get(file.name()) {
            if self.files.get(*known).is_some_and(|known| known.encoded != encoded) {
                tracing::warn!(
                    file = file.name(),
                    "two different files have this name, and reflection tells the first one: compile them from another folder"
                );
            }
            return;
        }
        self.names.insert(file.name().to_owned(), index);
        Declared { files: self, file: index }.all(file);
        self.files.push(File { name: file.name().to_owned(), encoded, imports: file.dependency.clone() });
    }

    /// The file in which this is declared: a service, a method, a message, a field, an enum or a value.
    pub(super) fn of_symbol(&self, name: &str) -> Option<usize> {
        self.symbols.get(name).copied()
    }

    pub(super) fn by_name(&self, name: &str) -> Option<usize> {
        self.names.get(name).copied()
    }

    /// The file with the extension of this number.
    pub(super) fn of_extension(&self, message: &str, number: i32) -> Option<usize> {
        self.extensions.get(message)?.get(&number).copied()
    }

    /// The numbers of all extensions of a message; `None` where the message is not known.
    pub(super) fn extensions_of(&self, message: &str) -> Option<Vec<i32>> {
        match self.extensions.get(message) {
            Some(extensions) => Some(extensions.keys().copied().collect()),
            None => self.of_symbol(message).map(|_| Vec::new()),
        }
    }

    /// The name of a file that is there.
    pub(super) fn name_of(&self, file: usize) -> Option<&str> {
        self.files.get(file).map(|file| file.name.as_str())
    }

    /// A file and all that it imports, without those that were `sent`, which are then sent as well.
    /// The file itself comes first, and each other one once.
    pub(super) fn with_imports(&self, file: usize, sent: &mut HashSet<usize>) -> Vec<Bytes> {
        let mut all = Vec::new();
        let mut next = vec![file];
        let mut seen = HashSet::from([file]);
        while let Some(index) = next.pop() {
            let Some(found) = self.files.get(index) else { continue };
            // What was asked for is an answer even where it was one before.
            if sent.insert(index) || index == file {
                all.push(found.encoded.clone());
            }
            let imports = found.imports.iter().filter_map(|import| self.by_name(import));
            next.extend(imports.filter(|import| seen.insert(*import)));
        }
        all
    }
}

/// Takes down what a file declares.
struct Declared<'a> {
    files: &'a mut Files,
    file: usize,
}

impl Declared<'_> {
    fn all(&mut self, file: &FileDescriptorProto) {
        let package = file.package();
        for message in &file.message_type {
            self.message(package, message);
        }
        for of in &file.enum_type {
            self.enumeration(package, of);
        }
        self.extensions(package, &file.extension);
        for service in &file.service {
            let name = self.symbol(package, service.name());
            for method in &service.method {
                self.symbol(&name, method.name());
            }
        }
    }

    fn message(&mut self, scope: &str, message: &DescriptorProto) {
        let name = self.symbol(scope, message.name());
        for field in &message.field {
            self.symbol(&name, field.name());
        }
        for oneof in &message.oneof_decl {
            self.symbol(&name, oneof.name());
        }
        for nested in &message.nested_type {
            self.message(&name, nested);
        }
        for nested in &message.enum_type {
            self.enumeration(&name, nested);
        }
        self.extensions(&name, &message.extension);
    }

    /// The values of an enum are declared beside it.
    fn enumeration(&mut self, scope: &str, of: &EnumDescriptorProto) {
        self.symbol(scope, of.name());
        for value in &of.value {
            self.symbol(scope, value.name());
        }
    }

    fn extensions(&mut self, scope: &str, extensions: &[FieldDescriptorProto]) {
        for extension in extensions {
            self.symbol(scope, extension.name());
            let message = extension.extendee().trim_start_matches('.');
            let numbers = self.files.extensions.entry(message.to_owned()).or_default();
            numbers.entry(extension.number()).or_insert(self.file);
        }
    }

    fn symbol(&mut self, scope: &str, name: &str) -> String {
        let name = if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") };
        self.files.symbols.entry(name.clone()).or_insert(self.file);
        name
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost_types::EnumValueDescriptorProto;

    use super::*;
    use crate::protobuf::descriptor::{field, file, message};

    fn set() -> Vec<u8> {
        let string =
            crate::protobuf::descriptor::Of::Scalar(prost_types::field_descriptor_proto::Type::String);
        let mut a = file("a.proto", "a");
        a.message_type.push(message("A", vec![field("x", 1, string.clone())]));
        a.enum_type.push(EnumDescriptorProto {
            name: Some("E".into()),
            value: vec![EnumValueDescriptorProto { name: Some("ONE".into()), ..Default::default() }],
            ..Default::default()
        });
        let mut b = file("b.proto", "b");
        b.dependency.push("a.proto".into());
        let mut extension = field("loud", 50, string);
        extension.extendee = Some(".a.A".into());
        b.extension.push(extension);
        let file = [a, b].map(|file| Bytes::from(file.encode_to_vec())).into();
        Set { file }.encode_to_vec()
    }

    #[test]
    fn a_file_is_found_by_everything_that_it_declares() {
        let mut files = Files::default();
        files.add_set(set()).unwrap();
        for name in ["a.A", "a.A.x", "a.E", "a.ONE"] {
            assert_eq!(files.of_symbol(name), files.by_name("a.proto"), "{name}");
        }
        assert_eq!(files.of_symbol("a.E.ONE"), None, "values stand beside their enum");
        assert_eq!(files.of_symbol("b.loud"), files.by_name("b.proto"));
        assert_eq!(files.of_extension("a.A", 50), files.by_name("b.proto"));
        assert_eq!(files.of_extension("a.A", 51), None);
        assert_eq!(files.extensions_of("a.A"), Some(vec![50]));
        assert_eq!(files.extensions_of("a.B"), None);
    }

    #[test]
    fn the_first_file_of_a_name_counts() {
        let mut files = Files::default();
        files.add(&file("a.proto", "first"));
        files.add_set(set()).unwrap();
        assert_eq!(files.of_symbol("a.A"), None);
        assert!(files.of_symbol("b.loud").is_some());
        let mut sent = HashSet::new();
        let b = files.by_name("b.proto").unwrap();
        assert_eq!(files.with_imports(b, &mut sent).len(), 2);
        assert_eq!(files.with_imports(b, &mut sent).len(), 1);
    }

    proptest! {
        #[test]
        fn a_set_that_is_damaged_is_an_error_and_no_panic(
            flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            end in any::<prop::sample::Index>(),
        ) {
            let mut set = set();
            for (index, byte) in flips {
                *index.get_mut(&mut set) = byte;
            }
            set.truncate(end.index(set.len() + 1));
            let _ = Files::default().add_set(set);
        }
    }
}

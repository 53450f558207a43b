use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::{compile, generate, model, output};

/// Options for compiling `.proto` files. Made by [`configure`](crate::configure).
#[derive(Clone, Debug)]
#[must_use = "nothing is compiled until `compile` is called"]
pub struct Config {
    pub(crate) out_dir: Option<PathBuf>,
    pub(crate) include_file: String,
    pub(crate) descriptor_set: Option<String>,
    pub(crate) embed_descriptors: bool,
    pub(crate) crate_path: String,
    pub(crate) services: bool,
    pub(crate) default_methods: bool,
    pub(crate) extern_paths: Vec<(String, String)>,
    pub(crate) type_attributes: Vec<(String, String)>,
    pub(crate) field_attributes: Vec<(String, String)>,
    pub(crate) bytes: Vec<String>,
    pub(crate) btree_map: Vec<String>,
    rerun_if_changed: bool,
}

/// What was generated, in memory.
#[derive(Clone, Debug)]
pub struct Generated {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) inputs: BTreeSet<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            out_dir: None,
            include_file: "micro_protos.rs".to_owned(),
            descriptor_set: None,
            embed_descriptors: true,
            crate_path: "::micro".to_owned(),
            services: true,
            default_methods: false,
            extern_paths: Vec::new(),
            type_attributes: Vec::new(),
            field_attributes: Vec::new(),
            bytes: Vec::new(),
            btree_map: Vec::new(),
            rerun_if_changed: true,
        }
    }
}

impl Config {
    /// Where the files are written. The default is `OUT_DIR`, which cargo sets for build scripts and
    /// where `micro::include_proto!` looks.
    pub fn out_dir(mut self, folder: impl Into<PathBuf>) -> Self {
        self.out_dir = Some(folder.into());
        self
    }

    /// The name of the file with a module for each package, which `micro::include_protos!()` reads.
    /// The default is `micro_protos.rs`. Give another to each further [`compile`](Self::compile) of
    /// the same build script, and read it with `micro::include_protos!("other.rs")`.
    pub fn include_file(mut self, name: impl Into<String>) -> Self {
        self.include_file = name.into();
        self
    }

    /// Also writes the descriptors of all files, imports and comments included, to a file of this name:
    /// an encoded `google.protobuf.FileDescriptorSet`, for tools that want one. Reflection does not
    /// need it.
    pub fn descriptor_set(mut self, name: impl Into<String>) -> Self {
        self.descriptor_set = Some(name.into());
        self
    }

    /// Whether the generated code carries the descriptors of its files, without comments, for reflection:
    /// a server can then be asked what it serves. It does by default; they are in the program where a
    /// service of the package is served.
    pub fn embed_descriptors(mut self, yes: bool) -> Self {
        self.embed_descriptors = yes;
        self
    }

    /// The path of the crate `micro` in the generated code, for crates that re-export it. The default
    /// is `::micro`.
    pub fn crate_path(mut self, path: impl Into<String>) -> Self {
        self.crate_path = path.into();
        self
    }

    /// Whether services become traits. They do by default.
    pub fn services(mut self, yes: bool) -> Self {
        self.services = yes;
        self
    }

    /// Whether the methods of a trait have a body that answers `unimplemented`, so that a method can
    /// be added to a service without breaking those who implement it. They have none by default.
    pub fn default_methods(mut self, yes: bool) -> Self {
        self.default_methods = yes;
        self
    }

    /// Takes the types of a package, or one type, from another crate (generated there by this crate)
    /// instead of generating them: `.extern_path("common.v1", "::common::v1")`.
    ///
    /// Where messages hold a `google.protobuf.Any`, the messages under this path in the files that are
    /// imported must all be there: each can be inside.
    pub fn extern_path(mut self, proto: impl Into<String>, rust: impl Into<String>) -> Self {
        self.extern_paths.push((full(proto.into()), rust.into()));
        self
    }

    /// Adds an attribute to messages, enums and `oneof`s. `path` is a type (`shop.v1.Order`), a
    /// package, or `.` for all.
    pub fn type_attribute(mut self, path: impl Into<String>, attribute: impl Into<String>) -> Self {
        self.type_attributes.push((full(path.into()), attribute.into()));
        self
    }

    /// Adds an attribute to fields and enum values. `path` is a field (`shop.v1.Order.id`), a type, a
    /// package, or `.` for all.
    pub fn field_attribute(mut self, path: impl Into<String>, attribute: impl Into<String>) -> Self {
        self.field_attributes.push((full(path.into()), attribute.into()));
        self
    }

    /// The `bytes` fields that are `Bytes` and not `Vec<u8>`: decoding shares the memory of the
    /// request instead of copying. Paths are as for [`field_attribute`](Self::field_attribute).
    pub fn bytes(mut self, paths: &[impl AsRef<str>]) -> Self {
        self.bytes.extend(paths.iter().map(|path| full(path.as_ref().to_owned())));
        self
    }

    /// The `map` fields that are `BTreeMap` and not `HashMap`. Paths are as for
    /// [`field_attribute`](Self::field_attribute).
    pub fn btree_map(mut self, paths: &[impl AsRef<str>]) -> Self {
        self.btree_map.extend(paths.iter().map(|path| full(path.as_ref().to_owned())));
        self
    }

    /// Whether cargo is told to run the build script again when one of the files changes. It is by
    /// default.
    pub fn rerun_if_changed(mut self, yes: bool) -> Self {
        self.rerun_if_changed = yes;
        self
    }

    /// Compiles the files and writes what was generated.
    ///
    /// # Errors
    ///
    /// See [`compile`](crate::compile()). Nothing is written then.
    pub fn compile(&self, protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<()> {
        let out_dir = match (&self.out_dir, std::env::var_os("OUT_DIR")) {
            (Some(folder), _) => folder.clone(),
            (None, Some(folder)) => folder.into(),
            (None, None) => {
                return Err(Error::new("there is no `OUT_DIR`")
                    .with_help("call this from a build script, or say where to write with `out_dir`"));
            }
        };
        let generated = self.generate_watching(protos, includes, |path| {
            if self.rerun_if_changed {
                println!("cargo::rerun-if-changed={}", path.display());
            }
        })?;
        output::write(&out_dir, &generated.files)
    }

    /// Compiles the files and keeps what was generated in memory.
    ///
    /// # Errors
    ///
    /// See [`compile`](crate::compile()).
    pub fn generate(&self, protos: &[impl AsRef<Path>], includes: &[impl AsRef<Path>]) -> Result<Generated> {
        self.generate_watching(protos, includes, |_| {})
    }

    /// Hands every file that the result depends on to `watch`, also where it fails.
    fn generate_watching(
        &self,
        protos: &[impl AsRef<Path>],
        includes: &[impl AsRef<Path>],
        watch: impl Fn(&Path),
    ) -> Result<Generated> {
        let protos: Vec<_> = protos.iter().map(|path| path.as_ref().to_owned()).collect();
        let includes: Vec<_> = includes.iter().map(|path| path.as_ref().to_owned()).collect();
        let compiled = compile::compile(&protos, &includes).map_err(|(error, watched)| {
            watched.iter().for_each(|path| watch(path));
            error
        })?;
        let inputs = compiled.sources.paths();
        inputs.iter().for_each(|path| watch(path));

        let packages = model::build(&compiled, self)?;
        let externs = model::externs(&compiled, self);
        let mut files = generate::generate(&compiled, &packages, &externs, self)?;
        if let Some(name) = &self.descriptor_set {
            files.insert(name.clone(), compiled.encoded);
        }
        Ok(Generated { files, inputs })
    }
}

impl Generated {
    /// The names of the files and what is in them.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(name, content)| (name.as_str(), content.as_slice()))
    }

    /// The `.proto` files on disk that it was generated from, imports included.
    pub fn inputs(&self) -> impl Iterator<Item = &Path> {
        self.inputs.iter().map(PathBuf::as_path)
    }
}

/// Paths are written here as they are in `.proto` files, and inside with a dot in front.
fn full(path: String) -> String {
    if path.starts_with('.') { path } else { format!(".{path}") }
}

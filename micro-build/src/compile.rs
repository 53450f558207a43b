//! From files to descriptors.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use miette::Diagnostic as _;
use prost_reflect::DescriptorPool;

use crate::error::{Error, Result};

/// Compiled `.proto` files.
pub(crate) struct Compiled {
    pub(crate) pool: DescriptorPool,
    /// The same as a file descriptor set.
    pub(crate) encoded: Vec<u8>,
    pub(crate) sources: Sources,
}

/// The files on disk.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// Name of import and path.
    files: Vec<(String, PathBuf)>,
}

impl Sources {
    pub(crate) fn paths(&self) -> BTreeSet<PathBuf> {
        self.files.iter().map(|(_, path)| path.clone()).collect()
    }

    /// The path of a file by the name under which it is imported.
    pub(crate) fn path(&self, name: &str) -> Option<&Path> {
        self.files.iter().find(|(known, _)| known == name).map(|(_, path)| path.as_path())
    }
}

/// Compiles the files and their imports. The error comes with the paths of files that the next
/// attempt depends on.
pub(crate) fn compile(
    protos: &[PathBuf],
    includes: &[PathBuf],
) -> std::result::Result<Compiled, (Error, BTreeSet<PathBuf>)> {
    let failed = |error: Error| {
        let mut watched: BTreeSet<_> = protos.iter().cloned().collect();
        watched.extend(error.file().map(Path::to_owned));
        (error, watched)
    };
    let mut compiler = protox::Compiler::new(includes).map_err(|error| failed(explain(&error, includes)))?;
    compiler.include_imports(true).include_source_info(true);
    for proto in protos {
        check_readable(proto, includes).map_err(failed)?;
        compiler.open_file(proto).map_err(|error| failed(explain(&error, includes)))?;
    }
    let files =
        compiler.files().filter_map(|file| Some((file.name().to_owned(), file.path()?.to_owned()))).collect();
    Ok(Compiled {
        pool: compiler.descriptor_pool(),
        encoded: compiler.encode_file_descriptor_set(),
        sources: Sources { files },
    })
}

/// A file that is not there, said in more words than the compiler has.
fn check_readable(proto: &Path, includes: &[PathBuf]) -> Result<()> {
    if proto.exists() || includes.iter().any(|include| include.join(proto).exists()) {
        return Ok(());
    }
    let folder = std::env::current_dir().unwrap_or_default();
    Err(Error::new("there is no such file").in_file(proto).with_help(format!(
        "paths are relative to the folder of the package, {}, or to one of the include folders: {}",
        folder.display(),
        list(includes)
    )))
}

fn list(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    if paths.is_empty() { "none".to_owned() } else { paths.join(", ") }
}

/// The compiler's error with the path of the file, the line in question, and help.
fn explain(error: &protox::Error, includes: &[PathBuf]) -> Error {
    let Some(name) = error.file() else {
        let explained = Error::new(error.to_string());
        return match error.is_file_not_found() {
            true => explained.with_help(format!("the include folders are: {}", list(includes))),
            false => explained,
        };
    };
    let path = includes.iter().map(|include| include.join(name)).find(|path| path.exists());
    let text = path.as_deref().and_then(|path| std::fs::read_to_string(path).ok());

    let mut explained = Error::new(error.to_string()).in_file(path.unwrap_or_else(|| name.into()));
    let place = place(error, name).or_else(|| {
        // The only errors without a place are those at the end of the file.
        let text = text.as_deref().filter(|_| error.is_parse())?;
        let last = text.lines().next_back().unwrap_or_default();
        Some((text.lines().count().max(1), last.chars().count() + 1))
    });
    if let Some(place) = place {
        explained = explained.at(place, text.as_deref());
    }
    match error.help() {
        Some(help) => explained.with_help(help.to_string()),
        None if error.is_file_not_found() => {
            explained.with_help(format!("the include folders are: {}", list(includes)))
        }
        None => explained,
    }
}

/// Line and column, which the compiler shows only in its debug form: `name:line:column: message`.
fn place(error: &protox::Error, name: &str) -> Option<(usize, usize)> {
    let text = format!("{error:?}");
    let mut rest = text.strip_prefix(name)?.strip_prefix(':')?.splitn(3, ':');
    let line = rest.next()?.trim().parse().ok()?;
    let column = rest.next()?.trim().parse().ok()?;
    (line > 0 && column > 0).then_some((line, column))
}

//! Writing files: all or none, and only those that changed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Writes the files to temporary names first and renames them only when all are there.
pub(crate) fn write(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<()> {
    fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let mut written = Temporary::default();
    for (name, content) in files {
        let path = folder.join(name);
        if fs::read(&path).is_ok_and(|known| known == *content) {
            continue;
        }
        let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
        written.0.push((temporary.clone(), path));
        fs::write(&temporary, content).map_err(|error| failed(&temporary, &error))?;
    }
    for (temporary, path) in &written.0 {
        fs::rename(temporary, path).map_err(|error| failed(path, &error))?;
    }
    written.0.clear();
    Ok(())
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new(format!("cannot write: {error}")).in_file(path)
}

/// Temporary files and what they will be; those that are left are removed.
#[derive(Default)]
struct Temporary(Vec<(PathBuf, PathBuf)>);

impl Drop for Temporary {
    fn drop(&mut self) {
        for (temporary, _) in &self.0 {
            // It may not be there, and there is nothing to be done if it stays.
            let _ = fs::remove_file(temporary);
        }
    }
}

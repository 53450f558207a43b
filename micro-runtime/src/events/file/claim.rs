//! Which process has a group.

// The library that this driver needs takes a newer Rust than the rest, which has locks of files.
#![allow(clippy::incompatible_msrv, reason = "the feature `file` needs Rust 1.90")]

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// A group that nobody else has while this lives. The operating system gives it free when the process ends, however it
/// ends.
pub(super) struct Claim {
    _file: File,
}

impl Claim {
    /// The group with this number, where nobody has it.
    pub(super) fn take(log: &Path, group: u64) -> Result<Option<Self>> {
        let wrong = |path: &Path, error: std::io::Error| {
            Error::unavailable(format!("`{}` cannot be locked: {error}", path.display())).with_source(error)
        };
        let folder = folder(log);
        std::fs::create_dir_all(&folder).map_err(|error| wrong(&folder, error))?;
        let path = folder.join(group.to_string());
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|error| wrong(&path, error))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(wrong(&path, error)),
        }
    }

    /// Nobody will have this group again.
    pub(super) fn forget(log: &Path, group: u64) {
        // Left behind it is an empty file, and no more.
        let _ = std::fs::remove_file(folder(log).join(group.to_string()));
    }
}

/// Beside the log: the library locks parts of the log itself for its own ends.
fn folder(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".locks");
    name.into()
}

//! The file: opening it, and what went wrong with it.

use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use redb::{Builder, ConcurrencyMode, Database, ReadableDatabase, TableHandle};

use super::tables::{EVENTS, FORMAT, FORMAT_VERSION, GROUPS, LATER, META, TOPICS};
use crate::error::{Error, Result};

/// What is kept of the file in memory at the most.
const CACHE: usize = 32 << 20;

/// The open file. It is opened again after an error of the disk, since the library does nothing any more after one.
pub(super) struct Shared {
    path: Box<Path>,
    verify: bool,
    database: Mutex<Arc<Database>>,
}

impl Shared {
    pub(super) fn open(path: &Path, verify: bool) -> Result<Self> {
        Ok(Self { path: path.into(), verify, database: Mutex::new(Arc::new(open(path, verify)?)) })
    }

    pub(super) fn get(&self) -> Arc<Database> {
        self.database.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn open_again(&self) {
        match open(&self.path, self.verify) {
            Ok(database) => {
                *self.database.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(database);
            }
            Err(error) => tracing::warn!(%error, "the file of events cannot be opened again"),
        }
    }
}

fn open(path: &Path, verify: bool) -> Result<Database> {
    catch_unwind(AssertUnwindSafe(|| try_open(path, verify)))
        .unwrap_or_else(|_| Err(damaged()))
        .map_err(|error| error.context(format_args!("the file of events `{}`", path.display())))
}

fn try_open(path: &Path, verify: bool) -> Result<Database> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder).map_err(|error| broken(redb::Error::Io(error)))?;
    }
    let mut builder = Builder::new();
    builder.set_concurrency_mode(ConcurrencyMode::MultiWriter).set_cache_size(CACHE);
    // Without it the library trusts the file, and may end the process where somebody else wrote to it.
    builder.set_check_integrity_on_open(verify);
    let database = builder.create(path).map_err(broken)?;
    if !is_ours(&database)? {
        make(&database)?;
    }
    Ok(database)
}

/// Whether it is a file of events; `false` for an empty one.
fn is_ours(database: &Database) -> Result<bool> {
    let reading = database.begin_read().map_err(broken)?;
    let tables: Vec<_> =
        reading.list_tables().map_err(broken)?.map(|table| table.name().to_owned()).collect();
    if tables.is_empty() {
        return Ok(false);
    }
    if !tables.iter().any(|name| name == META.name()) {
        return Err(foreign());
    }
    let meta = reading.open_table(META).map_err(broken)?;
    let version = meta.get(FORMAT).map_err(broken)?.map(|version| version.value());
    match version {
        Some(FORMAT_VERSION) => Ok(true),
        other => Err(Error::failed_precondition(format!(
            "it has the format {}, and this program knows {FORMAT_VERSION}: use a newer version of `micro`, or another file",
            other.unwrap_or_default()
        ))),
    }
}

fn make(database: &Database) -> Result<()> {
    let writing = database.begin_write().map_err(broken)?;
    {
        // Another process may have been first; it wrote the same.
        writing.open_table(META).map_err(broken)?.insert(FORMAT, FORMAT_VERSION).map_err(broken)?;
        writing.open_table(TOPICS).map_err(broken)?;
        writing.open_table(EVENTS).map_err(broken)?;
        writing.open_table(GROUPS).map_err(broken)?;
        writing.open_table(LATER).map_err(broken)?;
    }
    writing.commit().map_err(broken)
}

/// What went wrong, for people.
pub(super) fn broken(error: impl Into<redb::Error>) -> Error {
    match error.into() {
        redb::Error::Io(error) => match error.kind() {
            ErrorKind::InvalidData => foreign(),
            ErrorKind::StorageFull | ErrorKind::FileTooLarge | ErrorKind::QuotaExceeded => {
                Error::resource_exhausted(format!("there is no space left: {error}")).with_source(error)
            }
            _ => Error::unavailable(format!("it cannot be read or written: {error}")).with_source(error),
        },
        error @ redb::Error::DatabaseAlreadyOpen => Error::failed_precondition(
            "another program has it for itself: one that is no log of events, or with another version of the library",
        )
        .with_source(error),
        error @ redb::Error::PreviousIo => {
            Error::unavailable("it could not be read or written before, and is opened again").with_source(error)
        }
        redb::Error::DatabaseClosed => Error::unavailable("the log was closed"),
        error @ (redb::Error::Corrupted(_) | redb::Error::TableTypeMismatch { .. }) => {
            Error::data_loss(format!("it is damaged: {error}. Nothing in it was changed")).with_source(error)
        }
        error => Error::unavailable(format!("it cannot be used: {error}")).with_source(error),
    }
}

/// What a panic of the library means.
pub(super) fn damaged() -> Error {
    Error::data_loss("it is damaged: somebody else wrote to it, or the disk lost a part of it")
}

fn foreign() -> Error {
    Error::failed_precondition("it is no file of events, and was not changed: choose another path")
}

//! A list in a file that changes.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::list::List;
use crate::error::{Error, Result};

/// How often the file is looked at.
///
/// It is read again and compared, and nothing of the file system is trusted to tell: a file may be written in place, be replaced by a
/// rename, or be behind a link that moves, as the ConfigMaps of Kubernetes are, and times of files are coarse. Notification by the
/// kernel covers not all of that, and nothing on network file systems.
pub(super) const INTERVAL: Duration = Duration::from_secs(2);

/// The largest file that is read, in bytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A file, and the last good list in it. All watches share it, and it is read once for all of them.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    looked: Option<Instant>,
    /// The last content that was a list.
    good: Bytes,
    /// What it means; `None` until there was one.
    list: Option<Arc<List>>,
    /// What is wrong now, where anything is.
    failure: Option<String>,
}

impl File {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, state: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The newest good list. Fails where there never was one.
    pub(super) async fn list(&self) -> Result<Arc<List>> {
        let mut state = self.state.lock().await;
        // A little less than the interval, so that a watch that wakes by it never finds itself too early.
        if state.looked.is_none_or(|looked| looked.elapsed() >= INTERVAL.mul_f64(0.9)) || state.list.is_none()
        {
            let (path, good) = (self.path.clone(), state.list.is_some().then(|| state.good.clone()));
            // A large list takes its time to be read, and to be understood.
            let read =
                tokio::task::spawn_blocking(move || newer(&path, good)).await.unwrap_or_else(|error| {
                    Err(Error::internal("the file could not be read").with_source(error))
                });
            state.looked = Some(Instant::now());
            self.take(&mut state, read);
        }
        match (&state.list, &state.failure) {
            (Some(list), _) => Ok(list.clone()),
            (None, failure) => Err(Error::unavailable(failure.clone().unwrap_or_default())),
        }
    }

    fn take(&self, state: &mut State, read: Result<Option<(Bytes, List)>>) {
        match read {
            Ok(newer) => {
                if state.failure.take().is_some() && state.list.is_some() {
                    tracing::info!(path = %self.path.display(), "the list of nodes can be read again");
                }
                if let Some((content, list)) = newer {
                    (state.good, state.list) = (content, Some(Arc::new(list)));
                }
            }
            Err(error) => {
                let failure = format!("the list of nodes in {}: {}", self.path.display(), error.message());
                // Once per reason, and not every two seconds.
                if state.failure.as_ref() != Some(&failure) {
                    let kept = if state.list.is_some() { "; the last good one is kept" } else { "" };
                    tracing::warn!("{failure}{kept}");
                    state.failure = Some(failure);
                }
            }
        }
    }
}

/// What is in the file where that is not what was `good` before: the same bytes mean the same.
fn newer(path: &Path, good: Option<Bytes>) -> Result<Option<(Bytes, List)>> {
    let content = Bytes::from(read(path)?);
    if good.is_some_and(|good| good == content) {
        return Ok(None);
    }
    let list = List::from_json(&content)?;
    Ok(Some((content, list)))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    let cannot = |error: std::io::Error| Error::unavailable(format!("it cannot be read: {error}"));
    let mut content = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(LARGEST + 1).read_to_end(&mut content).map_err(cannot)?;
    if content.len() as u64 > LARGEST {
        return Err(Error::resource_exhausted(format!("it is larger than {LARGEST} bytes")));
    }
    Ok(content)
}

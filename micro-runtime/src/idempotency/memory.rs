use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::store::{Begun, KeyStore, Lease};
use crate::error::{Error, Result};

/// How many keys are kept at the most, unless set.
const MAX_KEYS: usize = 100_000;

/// How many bytes of keys and answers, unless set.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What a key takes beside its text and its answer, roughly.
const OVERHEAD: usize = 256;

/// The longest that a key is kept, a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Keys in the memory of this process: for a service with one node, and for tests.
///
/// Clones share the keys. They are lost with the process. A key that does not fit any more is refused with
/// `resource_exhausted`, and no other one is forgotten for it: that would do something twice.
#[derive(Clone)]
pub struct MemoryKeys {
    max_keys: usize,
    max_bytes: usize,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    keys: HashMap<Arc<str>, Entry>,
    /// In the order in which they become free.
    ends: BTreeSet<(Instant, Arc<str>)>,
    bytes: usize,
}

struct Entry {
    fingerprint: String,
    ends: Instant,
    state: State,
}

enum State {
    Leased(Lease),
    Done(Bytes),
}

impl MemoryKeys {
    /// No keys yet: room for 100,000 of them, and for 64 MiB with their answers.
    pub fn new() -> Self {
        Self { max_keys: MAX_KEYS, max_bytes: MAX_BYTES, kept: Arc::default() }
    }

    /// How many keys are kept at the most.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// How many bytes of keys and answers are kept at the most. An answer that does not fit is sent and not
    /// kept, and its key is free.
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// How many keys are in use, whether somebody has them or they were answered.
    pub fn len(&self) -> usize {
        let mut kept = self.lock();
        kept.sweep(Instant::now());
        kept.keys.len()
    }

    /// Whether no key is in use.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryKeys {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl KeyStore for MemoryKeys {
    async fn begin(&self, key: &str, fingerprint: &str, lease: Duration) -> Result<Begun> {
        let (mut kept, now) = (self.lock(), Instant::now());
        kept.sweep(now);
        if let Some(entry) = kept.keys.get(key) {
            let fingerprint = entry.fingerprint.clone();
            return Ok(match &entry.state {
                State::Leased(_) => Begun::Running { fingerprint },
                State::Done(answer) => Begun::Done { fingerprint, answer: answer.clone() },
            });
        }
        if kept.keys.len() >= self.max_keys || kept.bytes + size(key, &[]) > self.max_bytes {
            return Err(Error::resource_exhausted(format!(
                "there is no room for another idempotency key: {} are in use (the options `max_keys` and `max_bytes` \
                 of `MemoryKeys`)",
                kept.keys.len()
            )));
        }
        let held = Lease::new(Uuid::new_v4().simple().to_string());
        let state = State::Leased(held.clone());
        kept.put(key.into(), Entry { fingerprint: fingerprint.to_owned(), ends: end(now, lease), state });
        Ok(Begun::Yours(held))
    }

    async fn renew(&self, key: &str, lease: &Lease, time: Duration) -> Result<()> {
        let (mut kept, now) = (self.lock(), Instant::now());
        kept.sweep(now);
        let (key, entry) = kept.take(key, lease).ok_or_else(over)?;
        kept.put(key, Entry { ends: end(now, time), ..entry });
        Ok(())
    }

    async fn finish(&self, key: &str, lease: &Lease, answer: Bytes, keep: Duration) -> Result<()> {
        let (mut kept, now) = (self.lock(), Instant::now());
        kept.sweep(now);
        let (key, entry) = kept.take(key, lease).ok_or_else(over)?;
        if kept.bytes + size(&key, &answer) > self.max_bytes {
            return Err(Error::resource_exhausted(format!(
                "there is no room to keep an answer of {} bytes (the option `max_bytes` of `MemoryKeys`)",
                answer.len()
            )));
        }
        kept.put(key, Entry { ends: end(now, keep), state: State::Done(answer), ..entry });
        Ok(())
    }

    async fn release(&self, key: &str, lease: &Lease) -> Result<()> {
        self.lock().take(key, lease);
        Ok(())
    }
}

impl Kept {
    fn put(&mut self, key: Arc<str>, entry: Entry) {
        self.bytes += size(&key, entry.answer());
        self.ends.insert((entry.ends, key.clone()));
        self.keys.insert(key, entry);
    }

    fn remove(&mut self, key: &str) -> Option<(Arc<str>, Entry)> {
        let (key, entry) = self.keys.remove_entry(key)?;
        self.bytes = self.bytes.saturating_sub(size(&key, entry.answer()));
        let place = (entry.ends, key);
        self.ends.remove(&place);
        Some((place.1, entry))
    }

    /// Takes out a key that this lease is on.
    fn take(&mut self, key: &str, lease: &Lease) -> Option<(Arc<str>, Entry)> {
        let entry = self.keys.get(key)?;
        match &entry.state {
            State::Leased(held) if held == lease => self.remove(key),
            _ => None,
        }
    }

    /// Forgets what is over.
    fn sweep(&mut self, now: Instant) {
        while let Some((ends, key)) = self.ends.first().cloned() {
            if ends > now {
                return;
            }
            self.remove(&key);
        }
    }
}

impl Entry {
    fn answer(&self) -> &[u8] {
        match &self.state {
            State::Leased(_) => &[],
            State::Done(answer) => answer,
        }
    }
}

#[cold]
fn over() -> Error {
    Error::aborted("the lease on the idempotency key was over before the call was done")
}

fn size(key: &str, answer: &[u8]) -> usize {
    OVERHEAD + key.len() + answer.len()
}

fn end(now: Instant, time: Duration) -> Instant {
    now + time.min(LONGEST)
}

impl fmt::Debug for MemoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryKeys").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Code;
    use crate::idempotency::conformance;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn keys_in_memory_conform() {
        let keys = MemoryKeys::new();
        conformance::run(|| Arc::new(keys.clone()), Duration::from_millis(500)).await.unwrap();
        tokio::time::advance(MINUTE).await;
        assert!(keys.is_empty(), "the kit leaves nothing behind");
        assert_eq!(keys.lock().bytes, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_is_refused_and_nothing_is_forgotten_for_it() {
        let keys = MemoryKeys::new().max_keys(2).max_bytes(2000);
        let Begun::Yours(first) = keys.begin("a", "", MINUTE).await.unwrap() else { panic!("it was free") };
        keys.finish("a", &first, Bytes::from_static(b"answer"), 2 * MINUTE).await.unwrap();
        let Begun::Yours(second) = keys.begin("b", "", MINUTE).await.unwrap() else { panic!("it was free") };
        let refused = keys.begin("c", "", MINUTE).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let large = Bytes::from(vec![0; 2000]);
        assert_eq!(
            keys.finish("b", &second, large, MINUTE).await.unwrap_err().code(),
            Code::ResourceExhausted
        );
        // Its key is free again.
        assert!(matches!(keys.begin("b", "", MINUTE).await.unwrap(), Begun::Yours(_)));
        assert!(matches!(keys.begin("a", "", MINUTE).await.unwrap(), Begun::Done { .. }));
        tokio::time::advance(2 * MINUTE).await;
        assert!(matches!(keys.begin("c", "", MINUTE).await.unwrap(), Begun::Yours(_)));
        assert_eq!(keys.len(), 1);
    }
}

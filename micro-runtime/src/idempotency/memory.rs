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

/// What the answer of a call that runs is taken for: there is always room to keep that it was done.
const RESERVED: usize = 32;

/// An answer that is older than this makes room for a new key.
const OLD: Duration = Duration::from_secs(600);

/// Nobody whose key has no room is to come again sooner.
const SOONEST: Duration = Duration::from_secs(1);

/// The longest that a key is kept, a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Keys in the memory of this process: for a service with one node, and for tests.
///
/// Clones share the keys. They are lost with the process. Where there is no room for a key, the one that was answered
/// first is forgotten for it, however long it was to be kept, if that was at least ten minutes ago: nobody asks
/// again for so long. Where there is none so old, the new key is refused with `resource_exhausted`, says that
/// its call was never processed, and when to come again. So the defaults have room for 160 keys in a second. A key
/// whose call runs is never forgotten.
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
    /// Those with an answer, in the order in which they got it.
    done: BTreeSet<(Instant, Arc<str>)>,
    bytes: usize,
}

struct Entry {
    fingerprint: String,
    ends: Instant,
    state: State,
}

enum State {
    Leased(Lease),
    Done(Bytes, Instant),
}

impl MemoryKeys {
    /// No keys yet: room for 100,000 of them, and for 64 MiB with their answers.
    pub fn new() -> Self {
        Self { max_keys: MAX_KEYS, max_bytes: MAX_BYTES, kept: Arc::default() }
    }

    /// How many keys are kept at the most; 100,000 unless set.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys;
        self
    }

    /// How many bytes of keys and answers are kept at the most; 64 MiB unless set. Of an answer that does not fit it is
    /// only kept that it was given: whoever asks again hears `data_loss`, and nothing is done twice.
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

    /// Makes room for so many keys more and so many bytes, or says that there is none.
    fn make_room(&self, kept: &mut Kept, now: Instant, keys: usize, bytes: usize) -> bool {
        while kept.keys.len().saturating_add(keys) > self.max_keys
            || kept.bytes.saturating_add(bytes) > self.max_bytes
        {
            match kept.done.first().cloned() {
                Some((since, key)) if now.saturating_duration_since(since) >= OLD => kept.remove(&key),
                _ => return false,
            };
        }
        true
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
                State::Done(answer, _) => Begun::Done { fingerprint, answer: answer.clone() },
            });
        }
        if !self.make_room(&mut kept, now, 1, OVERHEAD + key.len() + RESERVED) {
            return Err(full(&kept, now));
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
        if !self.make_room(&mut kept, now, 1, OVERHEAD + key.len() + answer.len()) {
            kept.put(key, entry);
            return Err(Error::resource_exhausted(format!(
                "there is no room to keep an answer of {} bytes (the option `max_bytes` of `MemoryKeys`)",
                answer.len()
            )));
        }
        kept.put(key, Entry { ends: end(now, keep), state: State::Done(answer, now), ..entry });
        Ok(())
    }

    async fn release(&self, key: &str, lease: &Lease) -> Result<()> {
        self.lock().take(key, lease);
        Ok(())
    }
}

impl Kept {
    fn put(&mut self, key: Arc<str>, entry: Entry) {
        self.bytes += size(&key, &entry);
        if let State::Done(_, since) = entry.state {
            self.done.insert((since, key.clone()));
        }
        self.ends.insert((entry.ends, key.clone()));
        self.keys.insert(key, entry);
    }

    fn remove(&mut self, key: &str) -> Option<(Arc<str>, Entry)> {
        let (key, entry) = self.keys.remove_entry(key)?;
        self.bytes = self.bytes.saturating_sub(size(&key, &entry));
        self.ends.remove(&(entry.ends, key.clone()));
        if let State::Done(_, since) = entry.state {
            self.done.remove(&(since, key.clone()));
        }
        Some((key, entry))
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

/// There is no room: when to come again, which is when the next key becomes free or old.
#[cold]
fn full(kept: &Kept, now: Instant) -> Error {
    let free = kept.ends.first().map(|(ends, _)| *ends);
    let old = kept.done.first().map(|(since, _)| *since + OLD);
    let next = free.into_iter().chain(old).min().unwrap_or(now);
    Error::resource_exhausted(format!(
        "there is no room for another idempotency key: {} are in use (the options `max_keys` and `max_bytes` \
         of `MemoryKeys`)",
        kept.keys.len()
    ))
    .with_retry_after(next.saturating_duration_since(now).max(SOONEST))
    .refused_unseen()
}

#[cold]
fn over() -> Error {
    Error::aborted("the lease on the idempotency key was over before the call was done")
}

fn size(key: &str, entry: &Entry) -> usize {
    OVERHEAD
        + key.len()
        + match &entry.state {
            State::Leased(_) => RESERVED,
            State::Done(answer, _) => answer.len(),
        }
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

    async fn lease(keys: &MemoryKeys, key: &str) -> Lease {
        match keys.begin(key, "", MINUTE).await.unwrap() {
            Begun::Yours(lease) => lease,
            other => panic!("it was free: {other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_does_not_fit_is_refused_and_its_call_was_never_processed() {
        let keys = MemoryKeys::new().max_keys(2);
        let first = lease(&keys, "a").await;
        keys.finish("a", &first, Bytes::from_static(b"answer"), 600 * MINUTE).await.unwrap();
        lease(&keys, "b").await;
        let refused = keys.begin("c", "", MINUTE).await.unwrap_err();
        assert_eq!((refused.code(), refused.retry_after()), (Code::ResourceExhausted, Some(MINUTE)));
        assert!(refused.was_never_processed());
        assert!(matches!(keys.begin("a", "", MINUTE).await.unwrap(), Begun::Done { .. }));
        // The lease is over.
        tokio::time::advance(MINUTE).await;
        lease(&keys, "c").await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_answer_makes_room_and_a_call_that_runs_never_does() {
        let keys = MemoryKeys::new().max_keys(3);
        let runs = lease(&keys, "runs").await;
        keys.renew("runs", &runs, 600 * MINUTE).await.unwrap();
        for key in ["a", "b"] {
            let lease = lease(&keys, key).await;
            keys.finish(key, &lease, Bytes::new(), 600 * MINUTE).await.unwrap();
            tokio::time::advance(MINUTE).await;
        }
        assert!(keys.begin("c", "", MINUTE).await.is_err());
        tokio::time::advance(8 * MINUTE).await;
        lease(&keys, "c").await;
        assert!(keys.begin("d", "", MINUTE).await.is_err());
        assert!(matches!(keys.begin("b", "", MINUTE).await.unwrap(), Begun::Done { .. }));
        assert!(matches!(keys.begin("runs", "", MINUTE).await.unwrap(), Begun::Running { .. }));
        assert_eq!(keys.len(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_fit_leaves_its_lease_and_a_short_one_always_fits() {
        let keys = MemoryKeys::new().max_bytes(900);
        let (first, second) = (lease(&keys, "a").await, lease(&keys, "b").await);
        let large = Bytes::from(vec![0; 400]);
        keys.finish("a", &first, large.clone(), 600 * MINUTE).await.unwrap_err();
        assert!(matches!(keys.begin("a", "", MINUTE).await.unwrap(), Begun::Running { .. }));
        for (key, lease) in [("a", first), ("b", second)] {
            keys.finish(key, &lease, Bytes::from(vec![0; RESERVED]), 600 * MINUTE).await.unwrap();
        }
        // What is old makes room for answers as well.
        tokio::time::advance(10 * MINUTE).await;
        let third = lease(&keys, "c").await;
        keys.finish("c", &third, large, MINUTE).await.unwrap();
        assert_eq!(keys.len(), 1);
        assert!(keys.lock().bytes <= 900);
    }
}

//! What is known of many callers, in bounded room.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, PoisonError};

/// So many locks share the work.
const SHARDS: usize = 16;

/// Times by key, in nanoseconds. A key whose time is past is as good as one that is not there.
#[derive(Debug)]
pub(super) struct Keys {
    /// With random seeds, so that nobody can choose keys that all meet in one place, or two that are one.
    hashers: [RandomState; 2],
    shards: Box<[Mutex<Shard>]>,
    /// The most keys of one shard.
    most: usize,
}

#[derive(Debug, Default)]
struct Shard {
    /// By the 128 bits of a key's hash: however long keys are, each takes the same room, and by chance no two of
    /// them are ever the same.
    times: HashMap<u128, u64>,
    /// What all keys share for which there is no room.
    others: u64,
    /// When it was last looked which keys can go.
    swept: u64,
}

impl Keys {
    pub(super) fn new(most: usize) -> Self {
        let shards = SHARDS.min(most.max(1));
        Self {
            hashers: [RandomState::new(), RandomState::new()],
            shards: (0..shards).map(|_| Mutex::default()).collect(),
            most: most.div_ceil(shards).max(1),
        }
    }

    /// Changes the time of a key as `change` says it, which may refuse. Where there is no room for a key, all
    /// those share one time: who makes up keys takes from others that do, and from nobody who was there.
    pub(super) fn update<T>(
        &self,
        key: &str,
        now: u64,
        sweep_every: u64,
        change: impl FnOnce(u64) -> Result<u64, T>,
    ) -> Result<(), T> {
        let [first, second] = self.hashers.each_ref().map(|hasher| hasher.hash_one(key));
        let index = first as usize % self.shards.len();
        let key = u128::from(first) << 64 | u128::from(second);
        let mut shard = self.shards[index].lock().unwrap_or_else(PoisonError::into_inner);
        let shard = &mut *shard;
        if let Some(time) = shard.times.get_mut(&key) {
            *time = change(*time)?;
            return Ok(());
        }
        if shard.times.len() >= self.most && now >= shard.swept.saturating_add(sweep_every) {
            shard.swept = now;
            shard.times.retain(|_, time| *time > now);
        }
        if shard.times.len() >= self.most {
            shard.others = change(shard.others)?;
            return Ok(());
        }
        let time = change(0)?;
        shard.times.insert(key, time);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap().times.len()).sum()
    }
}

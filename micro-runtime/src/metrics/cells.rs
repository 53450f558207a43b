//! Memory that threads count in without waiting for each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

thread_local! {
    /// The number of the thread: only that two threads seldom have the same shard comes of it.
    static THREAD: usize = {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// The same several times over: each thread writes one of them, and who reads adds them up.
pub(super) struct Sharded<T>(Arc<[Padded<T>]>);

/// On lines of its own. Processors of today fetch lines of 64 bytes in pairs, and some have lines of 128.
#[derive(Default)]
#[repr(align(128))]
struct Padded<T>(T);

impl<T: Default> Sharded<T> {
    /// As many as there are shards, which is a power of two.
    pub(super) fn new(shards: usize) -> Self {
        Self((0..shards.max(1)).map(|_| Padded::default()).collect())
    }

    /// The one for this thread.
    pub(super) fn mine(&self) -> &T {
        let index = THREAD.with(|thread| *thread) & (self.0.len() - 1);
        // There is at least one, and the index is within.
        &self.0[index].0
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().map(|padded| &padded.0)
    }
}

impl<T> Clone for Sharded<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;

    #[test]
    fn two_threads_write_to_different_lines() {
        let sharded = Sharded::<AtomicU64>::new(4);
        let address = || std::ptr::from_ref(sharded.mine()).addr();
        assert_eq!(address(), address());
        let all: Vec<_> = sharded.all().map(|cell| std::ptr::from_ref(cell).addr()).collect();
        assert!(all.windows(2).all(|pair| pair[0].abs_diff(pair[1]) >= 128), "{all:?}");
    }
}

//! What is counted while calls are made.

use std::cell::Cell;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

use crate::Latency;

/// The longest time that is told apart; a closed loop does not wait longer.
const LONGEST: u64 = 60_000_000_000;

/// Threads that count in different places do not wait for each other.
const SHARDS: usize = 8;

const WARMING_UP: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// How many calls ended while it was measured, and how long they took.
pub(crate) struct Tally {
    phase: AtomicU8,
    shards: [Box<Mutex<Shard>>; SHARDS],
}

struct Shard {
    ended: u64,
    /// In nanoseconds.
    times: Histogram<u32>,
}

impl Tally {
    /// From now on it counts.
    pub(crate) fn begin(&self) {
        self.phase.store(MEASURING, Ordering::SeqCst);
    }

    /// From now on it does not count, and no more calls are to be made.
    pub(crate) fn end(&self) {
        self.phase.store(OVER, Ordering::SeqCst);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == OVER
    }

    /// A call ended that took this long.
    pub(crate) fn ended(&self, took: Duration) {
        if self.phase.load(Ordering::Relaxed) != MEASURING {
            return;
        }
        let mut shard = self.shard();
        shard.ended += 1;
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(LONGEST);
        shard.times.saturating_record(nanoseconds);
    }

    /// A message arrived that nobody in particular waited for.
    pub(crate) fn arrived(&self) {
        if self.phase.load(Ordering::Relaxed) == MEASURING {
            self.shard().ended += 1;
        }
    }

    /// How many ended, and what their times were, if they were taken.
    pub(crate) fn total(&self) -> (u64, Option<Latency>) {
        let mut ended = 0;
        let mut times = histogram();
        for shard in &self.shards {
            let shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            ended += shard.ended;
            // All of them have the same bounds, which is the one thing that could be wrong.
            let _ = times.add(&shard.times);
        }
        (ended, (!times.is_empty()).then(|| Latency::of(&times)))
    }

    fn shard(&self) -> MutexGuard<'_, Shard> {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: Cell<Option<usize>> = const { Cell::new(None) };
        }
        let mine = MINE.get().unwrap_or_else(|| {
            let mine = NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS;
            MINE.set(Some(mine));
            mine
        });
        self.shards[mine].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Tally {
    fn default() -> Self {
        let shard = || Box::new(Mutex::new(Shard { ended: 0, times: histogram() }));
        Self { phase: AtomicU8::new(WARMING_UP), shards: std::array::from_fn(|_| shard()) }
    }
}

/// Three digits of every time from a nanosecond to the longest.
fn histogram() -> Histogram<u32> {
    let mut histogram = Histogram::new_with_bounds(1, LONGEST, 3)
        .unwrap_or_else(|_| unreachable!("the bounds are constants that are in order"));
    histogram.auto(false);
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ends_between_begin_and_end_is_counted() {
        let tally = Tally::default();
        let call = || tally.ended(Duration::from_micros(30));
        call();
        assert_eq!(tally.total().0, 0);
        tally.begin();
        call();
        tally.arrived();
        let (ended, latency) = tally.total();
        assert_eq!(ended, 2);
        let p50 = latency.unwrap().p50;
        assert!((29.9..30.1).contains(&p50), "{p50}");
        tally.end();
        assert!(tally.is_over());
        call();
        assert_eq!(tally.total().0, 2);
    }

    #[test]
    fn messages_alone_have_no_times() {
        let tally = Tally::default();
        tally.begin();
        tally.arrived();
        assert_eq!(tally.total(), (1, None));
    }

    #[test]
    fn threads_are_added_up() {
        let tally = Tally::default();
        tally.begin();
        std::thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| (0..100).for_each(|_| tally.ended(Duration::from_nanos(5))));
            }
        });
        assert_eq!(tally.total().0, 2000);
    }
}

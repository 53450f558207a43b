//! When a method has too much to do, and how many calls it should then have at a time.

use std::time::Duration;

use super::histogram::Summary;

/// So many windows in a row must be slow: a burst that is worked off in that time is none of our business.
const SUSTAINED: u32 = 2;

/// How far above its limit the number of calls must be before there is a limit at all.
const EXCESS: f64 = 2.0;

/// After so long with half of the limit in use there is no limit any more.
const CALM: Duration = Duration::from_secs(5);

/// How long the best is remembered, in one of two halves.
const MEMORY: Duration = Duration::from_secs(30);

/// What is taken for the best is the mean of at least so long.
const BLOCK: Duration = Duration::from_secs(5);

/// And of so many times as long as a call takes: at first only the short ones come out.
const BLOCK_OF_CALLS: f64 = 10.0;

/// What is left of the calls at the end of a window, where their number does not fall.
const STEADY: f64 = 0.9;

/// How long calls that were made before the limit may still be seen, at the least.
const SETTLING: Duration = Duration::from_secs(1);

/// How long calls may stay slow although there are few, at the least.
const PATIENCE: Duration = Duration::from_secs(2);

/// A limit is right where calls take so many times as long as they may, or less. Calls that wait in line take no longer
/// than that under it: it is what is worked off in that time. Where they take longer, the throughput is already what the
/// limit made of it, and a limit that followed it would go down and down.
const RIGHT: f64 = 1.25;

/// The part of the throughput before the limit that is left where calls wait in line, at the least. Where they
/// do not, half as many at a time are half as many in a second.
const KEPT: f64 = 0.8;

/// What happened in one window of time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    pub(super) length: Duration,
    /// How many calls were answered.
    pub(super) done: u64,
    pub(super) took: Summary,
    /// How many calls ran when it began, at the most at a time, and when it ended.
    pub(super) start: usize,
    pub(super) peak: usize,
    pub(super) end: usize,
}

/// What is known of a method. It has no clock of its own and asks nobody.
#[derive(Debug)]
pub(super) struct Estimate {
    /// How many times as long as at best calls may take.
    tolerance: f64,
    /// The lowest limit.
    floor: usize,
    mean: Best,
    median: Best,
    block: Block,
    slow: u32,
    held: Option<Held>,
}

/// A limit that holds.
#[derive(Debug)]
struct Held {
    limit: usize,
    /// How many calls were answered in a second before.
    before: f64,
    calm: Duration,
    settled: Duration,
    /// How many calls were answered since it settled.
    done: u64,
    stuck: Duration,
}

impl Held {
    fn new(limit: usize, before: f64) -> Self {
        Self { limit, before, calm: Duration::ZERO, settled: Duration::ZERO, done: 0, stuck: Duration::ZERO }
    }
}

/// Several windows as one.
#[derive(Debug, Default)]
struct Block {
    length: Duration,
    count: f64,
    mean: f64,
    median: f64,
}

impl Block {
    /// Adds a window, and returns the block once it is whole.
    fn add(&mut self, window: &Window) -> Option<Self> {
        let Summary { count, mean, median } = window.took;
        let count = count as f64;
        self.length += window.length;
        self.count += count;
        if self.count > 0.0 {
            self.mean += (mean - self.mean) * count / self.count;
            self.median += (median - self.median) * count / self.count;
        }
        let calls = Duration::try_from_secs_f64(BLOCK_OF_CALLS * self.mean).unwrap_or(Duration::MAX);
        (self.length >= BLOCK.max(calls)).then(|| std::mem::take(self))
    }
}

/// The best of a while.
#[derive(Debug, Default)]
struct Best {
    now: Option<f64>,
    before: Option<f64>,
    age: Duration,
}

impl Best {
    fn get(&self) -> Option<f64> {
        match (self.now, self.before) {
            (Some(now), Some(before)) => Some(now.min(before)),
            (now, before) => now.or(before),
        }
    }

    fn note(&mut self, value: f64, length: Duration) {
        self.age += length;
        if self.age >= MEMORY {
            (self.before, self.now, self.age) = (self.now, None, Duration::ZERO);
        }
        self.lower(value);
    }

    /// Without becoming older.
    fn lower(&mut self, value: f64) {
        self.now = Some(self.now.map_or(value, |now| now.min(value)));
    }

    fn learn_anew(&mut self, value: f64) {
        *self = Self { now: Some(value), ..Self::default() };
    }
}

impl Estimate {
    pub(super) fn new(tolerance: f64, floor: usize) -> Self {
        Self {
            tolerance,
            floor,
            mean: Best::default(),
            median: Best::default(),
            block: Block::default(),
            slow: 0,
            held: None,
        }
    }

    /// The mean time of calls at its best, in seconds.
    pub(super) fn best(&self) -> Option<f64> {
        self.mean.get()
    }

    /// Forgets the limit: nothing was heard for too long to know whether it is right.
    pub(super) fn forget(&mut self) {
        (self.held, self.slow) = (None, 0);
    }

    /// Whether there is a limit.
    pub(super) fn holds(&self) -> bool {
        self.held.is_some()
    }

    /// Looks at a window, and returns the limit from now on, if there is to be one.
    pub(super) fn close(&mut self, window: &Window) -> Option<usize> {
        let block = self.block.add(window);
        match self.held.take() {
            None => {
                if let Some(block) = block {
                    self.mean.note(block.mean, block.length);
                    self.median.note(block.median, block.length);
                }
                self.look(window);
            }
            Some(held) => {
                // What there is when there is too much to do says nothing about the best, unless it is better.
                if let Some(block) = block {
                    self.mean.lower(block.mean);
                    self.median.lower(block.median);
                }
                self.held = self.hold(held, window);
            }
        }
        self.held.as_ref().map(|held| held.limit)
    }

    /// There is no limit.
    fn look(&mut self, window: &Window) {
        let Summary { mean, median, .. } = window.took;
        let (Some(best_mean), Some(best_median)) = (self.mean.get(), self.median.get()) else { return };
        let limit = self.due(window, best_mean);
        // Both: where a few calls take long the mean jumps, and where there are two kinds the median does. Only
        // waiting in line makes all calls longer.
        let slow = mean > self.tolerance * best_mean && median > self.tolerance * best_median;
        let too_many = window.peak as f64 >= EXCESS * limit as f64;
        // What is being worked off needs no help.
        let stays = window.end as f64 >= STEADY * window.start as f64;
        self.slow = if slow && too_many && stays { self.slow + 1 } else { 0 };
        if self.slow >= SUSTAINED {
            self.slow = 0;
            self.held = Some(Held::new(limit, throughput(window.done, window.length)));
        }
    }

    /// There is a limit: whether it goes on, and how high it is.
    fn hold(&mut self, mut held: Held, window: &Window) -> Option<Held> {
        let mean = window.took.mean;
        let best = self.mean.get()?;
        let is_calm = window.peak <= held.limit / 2;
        held.calm = if is_calm { held.calm + window.length } else { Duration::ZERO };
        if held.calm >= CALM {
            return None;
        }
        let due = self.tolerance * best;
        // Calls that were made before the limit have to be through, and it is not their fault.
        if window.peak as f64 > 1.1 * held.limit as f64 {
            (held.settled, held.done, held.stuck) = (Duration::ZERO, 0, Duration::ZERO);
            return Some(held);
        }
        held.settled += window.length;
        held.done += window.done;
        if mean <= RIGHT * due {
            held.stuck = Duration::ZERO;
            held.limit = self.due(window, best);
            return Some(held);
        }
        let due = Duration::try_from_secs_f64(due).unwrap_or(PATIENCE);
        if held.settled < SETTLING.max(2 * due) {
            return Some(held);
        }
        // Even the lowest limit is a long line where a method can do very few at a time. It is one as long as no
        // fewer are answered than without it.
        if held.limit <= self.floor && throughput(held.done, held.settled) >= KEPT * held.before {
            held.stuck = Duration::ZERO;
            return Some(held);
        }
        held.stuck += window.length;
        if held.stuck < PATIENCE.max(2 * due) {
            return Some(held);
        }
        // Fewer calls at a time did not make them shorter, so they did not wait for each other: this is how
        // long they take now.
        self.mean.learn_anew(mean);
        self.median.learn_anew(window.took.median);
        self.block = Block::default();
        None
    }

    /// How many calls there are at a time when each takes as long as it may, by Little's law.
    fn due(&self, window: &Window, best: f64) -> usize {
        let throughput = throughput(window.done, window.length);
        // A cast of what is too large, or no number, is bounded.
        ((throughput * best * self.tolerance).ceil() as usize).max(self.floor)
    }
}

/// How many in a second.
fn throughput(done: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { done as f64 / seconds } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const HALF: Duration = Duration::from_millis(500);

    fn window(mean: f64, per_second: f64, peak: usize) -> Window {
        let took = Summary { count: 100, mean, median: mean };
        Window { length: HALF, done: (per_second / 2.0) as u64, took, start: peak, peak, end: peak }
    }

    fn after_rest() -> Estimate {
        let mut estimate = Estimate::new(2.0, 16);
        for _ in 0..20 {
            assert_eq!(estimate.close(&window(0.02, 100.0, 4)), None);
        }
        estimate
    }

    #[test]
    fn calls_that_have_become_slow_are_limited_to_what_is_worked_off_in_time() {
        let mut estimate = after_rest();
        assert_eq!(estimate.close(&window(0.5, 1000.0, 900)), None, "one slow window may be a burst");
        // 1000 in a second, twice 20 ms each.
        assert_eq!(estimate.close(&window(0.9, 1000.0, 900)), Some(40));
        // The old ones come out, and do not count.
        for _ in 0..20 {
            assert_eq!(estimate.close(&window(2.0, 1000.0, 300)), Some(40));
        }
        // It follows what the method can do.
        assert_eq!(estimate.close(&window(0.04, 2000.0, 40)), Some(80));
        assert_eq!(estimate.close(&window(0.05, 1000.0, 80)), Some(40));
    }

    #[test]
    fn what_is_being_worked_off_is_not_limited() {
        let mut estimate = after_rest();
        for _ in 0..20 {
            let draining = Window { end: 700, ..window(0.9, 1000.0, 900) };
            assert_eq!(estimate.close(&draining), None);
        }
    }

    #[test]
    fn a_limit_that_is_not_needed_any_more_is_lifted() {
        let mut estimate = after_rest();
        for _ in 0..2 {
            estimate.close(&window(0.9, 1000.0, 900));
        }
        let lifted = (0..10).map(|_| estimate.close(&window(0.02, 100.0, 3))).last().unwrap();
        assert_eq!(lifted, None);
    }

    #[test]
    fn what_takes_longer_however_few_there_are_is_not_held_for_long() {
        let mut estimate = after_rest();
        for _ in 0..2 {
            estimate.close(&window(0.2, 1000.0, 200));
        }
        let held = (0..100).take_while(|_| estimate.close(&window(0.2, 200.0, 40)).is_some()).count();
        assert!((2..=8).contains(&held), "{held}");
        // From now on this is how long it takes.
        for _ in 0..100 {
            assert_eq!(estimate.close(&window(0.2, 1000.0, 200)), None);
        }
    }

    proptest! {
        #[test]
        fn few_calls_are_never_limited(windows in vec((0.0..100.0_f64, 0.0..1e6_f64, 0..32_usize), 0..200)) {
            let mut estimate = Estimate::new(2.0, 16);
            for (mean, per_second, peak) in windows {
                prop_assert_eq!(estimate.close(&window(mean, per_second, peak)), None);
            }
        }

        #[test]
        fn no_limit_is_below_the_floor(
            windows in vec((0.0..100.0_f64, 0.0..1e6_f64, 0..10_000_usize), 0..200),
            floor in 1..100_usize,
        ) {
            let mut estimate = Estimate::new(2.0, floor);
            for (mean, per_second, peak) in windows {
                prop_assert!(estimate.close(&window(mean, per_second, peak)).is_none_or(|limit| limit >= floor));
            }
        }

        /// Whatever it takes by itself, and however many there are: nothing waits in line, so nothing is limited.
        #[test]
        fn calls_that_take_their_time_are_never_limited(
            takes in 0.001..30.0_f64,
            swing in vec(0.75..1.25_f64, 1..200),
            per_second in 1.0..10_000.0_f64,
        ) {
            let mut estimate = Estimate::new(2.0, 16);
            for swing in swing {
                let window = window(takes * swing, per_second, (per_second * takes * 1.5) as usize);
                prop_assert_eq!(estimate.close(&window), None);
            }
        }
    }
}

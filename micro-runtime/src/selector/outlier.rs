use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// When a node that answers with failures is taken out of use, and for how long: outlier ejection.
///
/// It is on by default, with what [`new`](Self::new) says. The rules are those of Envoy's outlier detection and of
/// gRPC's proposal A50, but that a node is looked at when it has failed and not at intervals, and that it comes back
/// through one call that tries it and not with all its calls at once.
///
/// A failure is an answer that says something about the node: `unavailable`, `internal`, `unknown`, `data_loss`,
/// and one that did not come by the deadline, where there was time for it: twice what the node usually takes. A node that cannot be reached needs none of this: it is out of use at
/// once.
///
/// ```
/// use std::time::Duration;
/// use micro_runtime::selector::OutlierEjection;
///
/// let ejection = OutlierEjection::new().consecutive_failures(3).base_time(Duration::from_secs(30));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutlierEjection {
    in_a_row: u32,
    percentage: u32,
    volume: u32,
    interval: Duration,
    pub(super) base_time: Duration,
    pub(super) longest_time: Duration,
    most: u32,
}

impl OutlierEjection {
    /// Ejects a node after 5 failures in a row, or when half of 20 calls or more within 10 s failed; for 10 s, then
    /// twice as long each further time, up to 5 min; and at most half of the nodes.
    pub const fn new() -> Self {
        Self {
            in_a_row: 5,
            percentage: 50,
            volume: 20,
            interval: Duration::from_secs(10),
            base_time: Duration::from_secs(10),
            longest_time: Duration::from_secs(300),
            most: 50,
        }
    }

    /// How many failures in a row are too many; 5 unless set, and 0 for as many as you like.
    #[must_use]
    pub const fn consecutive_failures(mut self, failures: u32) -> Self {
        self.in_a_row = failures;
        self
    }

    /// How many of a hundred calls may not fail, where there were at least `volume` of them within an interval;
    /// 50 and 20 unless set. 0 per cent, or more than 100, is no such limit.
    #[must_use]
    pub const fn failure_percentage(mut self, percentage: u32, volume: u32) -> Self {
        self.percentage = percentage;
        self.volume = volume;
        self
    }

    /// How long calls are counted for the percentage before the count begins again; 10 s unless set.
    #[must_use]
    pub const fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// How long a node is out of use the first time; 10 s unless set. Each further time it is twice as long, and
    /// starts over when the node was in use for longer than it was out.
    #[must_use]
    pub const fn base_time(mut self, time: Duration) -> Self {
        self.base_time = time;
        self
    }

    /// How long a node is out of use at most; 5 min unless set.
    #[must_use]
    pub const fn longest_time(mut self, time: Duration) -> Self {
        self.longest_time = time;
        self
    }

    /// How many of a hundred nodes may be out of use because they fail; 50 unless set. One may, where there are two
    /// or more, and the last node in use never is.
    #[must_use]
    pub const fn max_ejected_percentage(mut self, percentage: u32) -> Self {
        self.most = if percentage < 100 { percentage } else { 100 };
        self
    }

    /// Whether one more of so many nodes may be ejected where `failing` are, and `in_use` are in use.
    pub(super) fn allows(&self, nodes: usize, failing: usize, in_use: usize) -> bool {
        let most = nodes.saturating_mul(self.most as usize) / 100;
        in_use > 1 && failing < most.max(1)
    }
}

impl Default for OutlierEjection {
    fn default() -> Self {
        Self::new()
    }
}

/// The failures of a node.
#[derive(Debug, Default)]
pub(super) struct Failures {
    all: AtomicU32,
    in_a_row: AtomicU32,
    /// When the interval began that is counted now, and what was counted before it.
    began: AtomicU64,
    calls_before: AtomicU32,
    failures_before: AtomicU32,
}

impl Failures {
    /// How many there were; after four billion it begins again.
    pub(super) fn all(&self) -> u32 {
        self.all.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self) {
        self.all.fetch_add(1, Ordering::Relaxed);
        self.in_a_row.fetch_add(1, Ordering::Relaxed);
    }

    /// A call went well.
    pub(super) fn over(&self) {
        // All calls share what would be written.
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Whether there are too many, where there were so many calls in all. It is asked after failures only, so the
    /// interval begins with one.
    pub(super) fn too_many(&self, limits: &OutlierEjection, now: u64, calls: u32) -> bool {
        let in_a_row = self.in_a_row.load(Ordering::Relaxed);
        if limits.in_a_row != 0 && in_a_row >= limits.in_a_row {
            return true;
        }
        let all = self.all();
        let age = now.saturating_sub(self.began.load(Ordering::Relaxed));
        if u128::from(age) >= limits.interval.as_nanos() {
            self.began.store(now, Ordering::Relaxed);
            // This one belongs to the new interval.
            self.calls_before.store(calls.wrapping_sub(1), Ordering::Relaxed);
            self.failures_before.store(all.wrapping_sub(1), Ordering::Relaxed);
        }
        let calls = calls.wrapping_sub(self.calls_before.load(Ordering::Relaxed));
        let failures = all.wrapping_sub(self.failures_before.load(Ordering::Relaxed));
        let limited = (1..=100).contains(&limits.percentage) && calls >= limits.volume.max(1);
        limited && u64::from(failures) * 100 >= u64::from(calls) * u64::from(limits.percentage)
    }

    /// The node was ejected for them: it begins anew.
    pub(super) fn forget(&self, calls: u32) {
        self.in_a_row.store(0, Ordering::Relaxed);
        self.calls_before.store(calls, Ordering::Relaxed);
        self.failures_before.store(self.all(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn five_failures_in_a_row_are_too_many_and_a_success_between_makes_it_four() {
        let (failures, limits) = (Failures::default(), OutlierEjection::new());
        for round in 0..10 {
            for _ in 0..4 {
                failures.add();
                assert!(!failures.too_many(&limits.failure_percentage(0, 0), SECOND, 1 + 5 * round));
            }
            failures.over();
        }
        (0..5).for_each(|_| failures.add());
        assert!(failures.too_many(&limits, SECOND, 50));
        assert!(!failures.too_many(&limits.consecutive_failures(0).failure_percentage(0, 0), SECOND, 50));
    }

    #[test]
    fn half_of_the_calls_of_an_interval_are_too_many_once_there_were_enough() {
        let (failures, limits) = (Failures::default(), OutlierEjection::new());
        let mut calls = 1000;
        let mut now = 20 * SECOND;
        let mut looked = Vec::new();
        for _ in 0..12 {
            calls += 2;
            failures.over();
            failures.add();
            looked.push(failures.too_many(&limits, now, calls));
            now += SECOND / 10;
        }
        // The first one begins the interval, so the twentieth call comes with the eleventh failure.
        assert_eq!(looked.iter().position(|too_many| *too_many), Some(10), "{looked:?}");
        // In the next interval the count begins again.
        failures.over();
        failures.add();
        assert!(!failures.too_many(&limits, now + 10 * SECOND, calls + 1));
    }

    proptest! {
        #[test]
        fn never_more_than_the_share_of_a_fleet_is_ejected_and_never_the_last_node(
            nodes in 0usize..200,
            failing in 0usize..200,
            unreachable in 0usize..200,
            most in 0u32..200,
        ) {
            let in_use = nodes.saturating_sub(failing).saturating_sub(unreachable);
            let limits = OutlierEjection::new().max_ejected_percentage(most);
            if limits.allows(nodes, failing, in_use) {
                prop_assert!(in_use > 1);
                prop_assert!(failing == 0 || (failing + 1) * 100 <= nodes * most.min(100) as usize);
            }
        }
    }
}

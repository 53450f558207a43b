use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How long a node is out of use when it could not be reached for the first time.
pub const FIRST_EJECTION: Duration = Duration::from_secs(1);

/// How long a node is out of use at most that cannot be reached.
pub const LONGEST_EJECTION: Duration = Duration::from_secs(30);

/// How long the call that tries a node again may take before another one may try as well.
const PROBE: Duration = Duration::from_secs(10);

/// Why a node is out of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// Nobody listens at its address.
    Unreachable,
    /// It answers with failures, see [`OutlierEjection`](super::OutlierEjection).
    Failing,
}

/// What comes of picking a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// The node is in use.
    Open,
    /// The node was out of use, its time is over, and this call finds out how it does now.
    Probe,
    /// The node is out of use.
    Closed,
}

/// How long a node is out of use.
#[derive(Clone, Copy)]
pub(super) struct Times {
    /// The first time.
    pub(super) first: Duration,
    /// At most.
    pub(super) longest: Duration,
}

/// Of a node that cannot be reached.
pub(super) const UNREACHABLE: Times = Times { first: FIRST_EJECTION, longest: LONGEST_EJECTION };

/// Whether a node is in use. Times are nanoseconds since an epoch that the owner chose.
///
/// ```text
/// in use ── a failure ──> doubted ── looked at ──> in use
///    └──────── ejected ──────┴──> out ── time is over, one call tries ──> probed ──> in use, or out for longer
/// ```
///
/// All of that is one atomic, which is 0 for a node that is in use and had no failure: most nodes most of the time.
#[derive(Debug, Default)]
pub(super) struct Availability {
    /// A [`Mark`] in the lowest bits, and a time in microseconds above.
    state: AtomicU64,
    /// When the node was ejected last.
    ejected_at: AtomicU64,
    /// When it came back last.
    returned_at: AtomicU64,
    /// How long the last ejection was, 0 where it does not count any more, and how long it could have been.
    last: AtomicU64,
    longest: AtomicU64,
    /// How often it was ejected in all.
    ejections: AtomicU32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    InUse,
    /// It failed, and whether too often is to be seen.
    Doubted,
    /// Out of use until the time.
    Out(Reason),
    /// A call is on its way to see, which may take until the time.
    Probed(Reason),
}

const MARK_BITS: u32 = 3;

fn pack(mark: Mark, nanos: u64) -> u64 {
    let mark = match mark {
        Mark::InUse => return 0,
        Mark::Doubted => 1,
        Mark::Out(Reason::Unreachable) => 2,
        Mark::Out(Reason::Failing) => 3,
        Mark::Probed(Reason::Unreachable) => 4,
        Mark::Probed(Reason::Failing) => 5,
    };
    // Rounded up: a time that is over is over to the nanosecond. 18,000 years.
    (nanos.div_ceil(1000) << MARK_BITS) | mark
}

fn unpack(state: u64) -> (Mark, u64) {
    let mark = match state & ((1 << MARK_BITS) - 1) {
        1 => Mark::Doubted,
        2 => Mark::Out(Reason::Unreachable),
        3 => Mark::Out(Reason::Failing),
        4 => Mark::Probed(Reason::Unreachable),
        5 => Mark::Probed(Reason::Failing),
        _ => Mark::InUse,
    };
    (mark, (state >> MARK_BITS).saturating_mul(1000))
}

impl Availability {
    /// Whether there is nothing to look at: the node is in use, and did not fail.
    pub(super) fn is_plain(&self) -> bool {
        self.state.load(Ordering::Relaxed) == 0
    }

    /// Whether a call may go to the node, be it to see how it does.
    pub(super) fn is_available(&self, now: u64) -> bool {
        match self.read() {
            (Mark::InUse | Mark::Doubted, _) => true,
            (_, until) => now >= until,
        }
    }

    /// Whether the node failed and nobody looked whether too often.
    pub(super) fn is_doubted(&self) -> bool {
        self.read().0 == Mark::Doubted
    }

    /// Why the node is out of use, and until when; `None` where it is in use.
    pub(super) fn out(&self) -> Option<(Reason, u64)> {
        match self.read() {
            (Mark::Out(reason) | Mark::Probed(reason), until) => Some((reason, until)),
            _ => None,
        }
    }

    pub(super) fn ejections(&self) -> u32 {
        self.ejections.load(Ordering::Relaxed)
    }

    /// A call goes to the node.
    pub(super) fn admit(&self, now: u64) -> Admission {
        let state = self.state.load(Ordering::Relaxed);
        let (reason, until) = match unpack(state) {
            (Mark::InUse | Mark::Doubted, _) => return Admission::Open,
            (Mark::Out(reason) | Mark::Probed(reason), until) => (reason, until),
        };
        if now < until {
            return Admission::Closed;
        }
        // Of several that come at the same moment, one is it.
        let probed = pack(Mark::Probed(reason), after(now, PROBE));
        if self.replace(state, probed) { Admission::Probe } else { Admission::Closed }
    }

    /// The call that tried the node was given up: the next one may try.
    pub(super) fn release(&self, now: u64) {
        let state = self.state.load(Ordering::Relaxed);
        if let (Mark::Probed(reason), _) = unpack(state) {
            self.replace(state, pack(Mark::Out(reason), now));
        }
    }

    /// The node failed.
    pub(super) fn doubt(&self) {
        if self.is_plain() {
            self.replace(0, pack(Mark::Doubted, 0));
        }
    }

    /// It was looked at, and does not fail too often.
    pub(super) fn trust(&self) {
        self.replace(pack(Mark::Doubted, 0), 0);
    }

    /// Takes the node out of use for the first time, or for twice as long as the last time, up to the longest.
    ///
    /// `None` where it is out of use already, unless it was a `probe` that found out.
    pub(super) fn eject(&self, now: u64, reason: Reason, probe: bool, times: Times) -> Option<Duration> {
        let state = self.state.load(Ordering::Relaxed);
        let last = self.last.load(Ordering::Relaxed);
        let (reason, last) = match unpack(state) {
            (Mark::Out(_) | Mark::Probed(_), until) if now < until && !probe => return None,
            // What cannot be reached cannot be said to fail.
            (Mark::Out(before) | Mark::Probed(before), _) if reason == Reason::Failing => (before, last),
            (Mark::Out(_) | Mark::Probed(_), _) => (reason, last),
            // It did well for longer than it was out.
            _ if now.saturating_sub(self.returned_at.load(Ordering::Relaxed)) > last => (reason, 0),
            _ => (reason, last),
        };
        let time = nanos(times.first).max(last.saturating_mul(2).min(nanos(times.longest)));
        // Of several that fail at the same moment, one counts.
        if !self.replace(state, pack(Mark::Out(reason), now.saturating_add(time))) {
            return None;
        }
        self.ejected_at.store(now, Ordering::Relaxed);
        self.last.store(time, Ordering::Relaxed);
        self.longest.store(nanos(times.longest), Ordering::Relaxed);
        self.ejections.fetch_add(1, Ordering::Relaxed);
        Some(Duration::from_nanos(time))
    }

    /// The call that tried the node failed: it is out for twice as long as before.
    pub(super) fn eject_again(&self, now: u64) {
        let longest = Duration::from_nanos(self.longest.load(Ordering::Relaxed)).max(FIRST_EJECTION);
        self.eject(now, Reason::Failing, true, Times { first: FIRST_EJECTION, longest });
    }

    /// Takes the node out of use for this long, and no shorter than it is already.
    pub(super) fn eject_for(&self, now: u64, time: Duration) {
        let update = |state| {
            let until = match unpack(state) {
                (Mark::Out(_) | Mark::Probed(_), until) => until.max(after(now, time)),
                _ => after(now, time),
            };
            Some(pack(Mark::Out(Reason::Unreachable), until))
        };
        // The closure never refuses, so this always succeeds.
        let _ = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
        self.ejected_at.store(now, Ordering::Relaxed);
    }

    /// Somebody answered a call that was made at `since`.
    pub(super) fn reached(&self, since: u64, now: u64) {
        // Most nodes are fine most of the time: do not write to a shared cache line then.
        let state = self.state.load(Ordering::Relaxed);
        if state == 0 {
            return;
        }
        let (Mark::Out(reason) | Mark::Probed(reason), _) = unpack(state) else { return };
        // That a call of before was answered after all does not make up for those that were not.
        if reason == Reason::Failing && since < self.ejected_at.load(Ordering::Relaxed) {
            return;
        }
        if self.replace(state, 0) {
            self.returned_at.store(now, Ordering::Relaxed);
            if reason == Reason::Unreachable {
                self.last.store(0, Ordering::Relaxed);
            }
        }
    }

    fn read(&self) -> (Mark, u64) {
        unpack(self.state.load(Ordering::Relaxed))
    }

    fn replace(&self, before: u64, after: u64) -> bool {
        self.state.compare_exchange(before, after, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

fn after(now: u64, time: Duration) -> u64 {
    now.saturating_add(nanos(time))
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn unreachable(node: &Availability, now: u64) -> Option<Duration> {
        node.eject(now, Reason::Unreachable, false, UNREACHABLE)
    }

    #[test]
    fn each_ejection_is_longer_than_the_one_before_up_to_a_limit() {
        let node = Availability::default();
        let mut now = 0;
        let mut times = Vec::new();
        for _ in 0..7 {
            let time = unreachable(&node, now).unwrap_or_default().as_secs();
            assert_eq!(unreachable(&node, now), None, "calls that fail together are one failure");
            now += time * SECOND;
            assert!(!node.is_available(now - 1) && node.is_available(now));
            times.push(time);
        }
        assert_eq!(times, [1, 2, 4, 8, 16, 30, 30]);
        assert_eq!(node.ejections(), 7);
    }

    #[test]
    fn an_answer_brings_a_node_back_and_starts_over() {
        let node = Availability::default();
        unreachable(&node, 0);
        unreachable(&node, SECOND);
        node.reached(SECOND, SECOND);
        assert!(node.is_plain());
        assert_eq!(unreachable(&node, 2 * SECOND), Some(FIRST_EJECTION));
    }

    #[test]
    fn one_call_tries_a_node_whose_time_is_over_and_the_others_wait_for_it() {
        let node = Availability::default();
        unreachable(&node, 0);
        assert_eq!(node.admit(SECOND / 2), Admission::Closed);
        assert_eq!(node.admit(SECOND), Admission::Probe);
        assert!(!node.is_available(SECOND));
        assert_eq!(node.admit(SECOND), Admission::Closed);
        // Given up without a word: the next one tries.
        node.release(2 * SECOND);
        assert_eq!(node.admit(2 * SECOND), Admission::Probe);
        node.eject_again(3 * SECOND);
        assert_eq!(node.out(), Some((Reason::Unreachable, 5 * SECOND)));
        assert_eq!(node.admit(5 * SECOND), Admission::Probe);
        // Not a word at all.
        assert!(node.is_available(15 * SECOND));
    }

    #[test]
    fn what_was_under_way_when_a_node_was_ejected_does_not_bring_it_back() {
        let node = Availability::default();
        let times = Times { first: Duration::from_secs(10), longest: Duration::from_secs(300) };
        node.eject(5 * SECOND, Reason::Failing, false, times);
        node.reached(4 * SECOND, 6 * SECOND);
        assert_eq!(node.out(), Some((Reason::Failing, 15 * SECOND)));
        node.reached(5 * SECOND, 6 * SECOND);
        assert!(node.is_plain());
        // It is back since a second, and failed again: longer this time.
        assert_eq!(node.eject(7 * SECOND, Reason::Failing, false, times), Some(2 * times.first));
        node.reached(30 * SECOND, 30 * SECOND);
        // It did well for longer than it was out.
        assert_eq!(node.eject(51 * SECOND, Reason::Failing, false, times), Some(times.first));
    }

    proptest! {
        #[test]
        fn whatever_happens_a_node_is_out_for_no_longer_than_the_limit(
            events in vec((0u8..7, 0u64..20 * SECOND), 0..60),
        ) {
            let node = Availability::default();
            let mut now = 0;
            for (event, later) in events {
                now += later;
                match event {
                    0 => { unreachable(&node, now); }
                    1 => { node.eject(now, Reason::Failing, false, UNREACHABLE); }
                    2 => node.eject_again(now),
                    3 => { node.admit(now); }
                    4 => node.reached(now, now),
                    5 => node.release(now),
                    _ => { node.doubt(); node.trust(); }
                }
                prop_assert!(node.is_available(now + nanos(LONGEST_EJECTION) + 1000));
                prop_assert_eq!(node.out().is_none(), node.is_plain());
            }
        }
    }
}

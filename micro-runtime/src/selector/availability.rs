use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// How long a node is out of use when it could not be reached for the first time.
pub const FIRST_EJECTION: Duration = Duration::from_secs(1);

/// How long a node is out of use at most.
pub const LONGEST_EJECTION: Duration = Duration::from_secs(30);

/// Whether a node can be reached. Times are nanoseconds since an epoch that the owner chose.
#[derive(Debug, Default)]
pub(super) struct Availability {
    /// Out of use until then; 0 for a node that is in use.
    until: AtomicU64,
    /// How often in a row it was ejected.
    ejections: AtomicU32,
}

impl Availability {
    /// Whether there is a time until which the node is out of use, be it over or not.
    pub(super) fn was_ejected(&self) -> bool {
        self.until.load(Ordering::Relaxed) != 0
    }

    pub(super) fn is_available(&self, now: u64) -> bool {
        now >= self.until.load(Ordering::Relaxed)
    }

    pub(super) fn eject(&self, now: u64) -> Option<Duration> {
        let until = self.until.load(Ordering::Relaxed);
        if now < until {
            return None;
        }
        let time = backoff(self.ejections.load(Ordering::Relaxed));
        // Of several that fail at the same moment, one counts.
        self.until.compare_exchange(until, after(now, time), Ordering::Relaxed, Ordering::Relaxed).ok()?;
        self.ejections.fetch_add(1, Ordering::Relaxed);
        Some(time)
    }

    pub(super) fn eject_for(&self, now: u64, time: Duration) {
        self.until.fetch_max(after(now, time), Ordering::Relaxed);
    }

    /// Somebody answered.
    pub(super) fn reached(&self) {
        // Most nodes are fine most of the time: do not write to a shared cache line then.
        if self.ejections.load(Ordering::Relaxed) != 0 || self.until.load(Ordering::Relaxed) != 0 {
            self.ejections.store(0, Ordering::Relaxed);
            self.until.store(0, Ordering::Relaxed);
        }
    }
}

fn backoff(ejections: u32) -> Duration {
    FIRST_EJECTION.saturating_mul(1 << ejections.min(16)).min(LONGEST_EJECTION)
}

/// Never 0, which means that the node is in use.
fn after(now: u64, time: Duration) -> u64 {
    now.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    #[test]
    fn each_ejection_is_longer_than_the_one_before_up_to_a_limit() {
        let node = Availability::default();
        let mut now = 0;
        let mut times = Vec::new();
        for _ in 0..7 {
            let time = node.eject(now).unwrap_or_default().as_secs();
            assert_eq!(node.eject(now), None, "calls that fail together are one failure");
            now += time * SECOND;
            assert!(!node.is_available(now - 1) && node.is_available(now));
            times.push(time);
        }
        assert_eq!(times, [1, 2, 4, 8, 16, 30, 30]);
    }

    #[test]
    fn an_answer_brings_a_node_back_and_starts_over() {
        let node = Availability::default();
        node.eject(0);
        node.eject(SECOND);
        node.reached();
        assert!(node.is_available(SECOND));
        assert_eq!(node.eject(2 * SECOND), Some(FIRST_EJECTION));
    }
}

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the calls of a service so far, see [`Protection::counts`](super::Protection::counts).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Counts {
    /// Calls that were let in.
    pub admitted: u64,
    /// Calls that had to wait for their turn, whatever became of them.
    pub queued: u64,
    /// Calls that were refused because as many ran as may, and none ended in time.
    pub refused_by_limit: u64,
    /// Calls that were refused by adaptive shedding.
    pub shed: u64,
    /// Calls that were refused because their caller calls too often.
    pub rate_limited: u64,
}

impl Counts {
    /// All calls that were refused.
    pub fn refused(&self) -> u64 {
        self.refused_by_limit + self.shed + self.rate_limited
    }
}

/// Counts, and promises no order between two of them.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) admitted: Count,
    pub(super) queued: Count,
    pub(super) refused_by_limit: Count,
    pub(super) shed: Count,
    pub(super) rate_limited: Count,
}

#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    pub(super) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Tally {
    pub(super) fn now(&self) -> Counts {
        Counts {
            admitted: self.admitted.get(),
            queued: self.queued.get(),
            refused_by_limit: self.refused_by_limit.get(),
            shed: self.shed.get(),
            rate_limited: self.rate_limited.get(),
        }
    }
}

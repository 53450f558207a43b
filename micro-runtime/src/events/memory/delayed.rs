use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::broker::Envelope;

/// Events for a later time, by when that is.
#[derive(Debug, Default)]
pub(super) struct Delayed {
    events: BTreeMap<(SystemTime, u64), Waiting>,
    numbers: u64,
}

#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) topic: String,
    pub(super) bytes: usize,
    pub(super) envelope: Envelope,
}

impl Delayed {
    pub(super) fn put(&mut self, at: SystemTime, waiting: Waiting) {
        self.numbers += 1;
        self.events.insert((at, self.numbers), waiting);
    }

    /// When the first one is due.
    pub(super) fn first(&self) -> Option<SystemTime> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }

    /// The first one, where it is due.
    pub(super) fn take_due(&mut self, now: SystemTime) -> Option<Waiting> {
        let first = self.events.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}

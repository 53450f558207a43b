use std::time::SystemTime;

use tokio::time::Instant;

/// The time of day that goes as tokio's time does, so that tests can pause it.
#[derive(Debug)]
pub(super) struct Clock {
    day: SystemTime,
    since: Instant,
}

impl Clock {
    pub(super) fn new() -> Self {
        Self { day: SystemTime::now(), since: Instant::now() }
    }

    pub(super) fn now(&self) -> SystemTime {
        self.day.checked_add(self.since.elapsed()).unwrap_or(self.day)
    }

    /// When this time of day is; now where it is over, and never where it is too far away to be counted.
    pub(super) fn instant(&self, at: SystemTime) -> Option<Instant> {
        match at.duration_since(self.now()) {
            Ok(wait) => Instant::now().checked_add(wait),
            Err(_) => Some(Instant::now()),
        }
    }
}

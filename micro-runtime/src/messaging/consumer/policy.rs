use std::num::NonZeroU32;
use std::time::Duration;

use crate::backoff::Backoff;

/// How often an event is tried, and how long a failing one waits, where nobody says otherwise.
pub const DEFAULT_ATTEMPTS: u32 = 5;

/// How many events a subscriber handles at the same time, where nobody says otherwise.
pub const DEFAULT_CONCURRENCY: u32 = 16;

/// What is done about events that were not handled.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    /// So often an event is handed over at the most, then it is a dead letter.
    pub(crate) attempts: NonZeroU32,
    /// How long to wait before the next attempt.
    pub(crate) backoff: Backoff,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            attempts: const { NonZeroU32::new(DEFAULT_ATTEMPTS).unwrap() },
            backoff: Backoff::new(Duration::from_millis(200), Duration::from_secs(30)),
        }
    }
}

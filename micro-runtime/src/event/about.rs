use std::sync::Arc;
use std::time::SystemTime;

use super::{Envelope, Headers, time};

/// What a subscriber is told of an event beside its payload.
#[derive(Clone, Debug, Default)]
pub(crate) struct About {
    /// The topic that it came by.
    pub(crate) topic: Arc<str>,
    /// Everything that goes with it.
    pub(crate) headers: Headers,
    /// How many attempts to handle it there were before, as far as anybody knows.
    pub(crate) attempts_before: u32,
    /// Its place in the log that it came from, where it came from one.
    pub(crate) offset: Option<u64>,
}

impl About {
    /// An event that nobody has tried to handle yet.
    pub(crate) fn new(topic: Arc<str>, headers: Headers) -> Self {
        Self { topic, headers, ..Self::default() }
    }

    /// The same after so many attempts.
    #[must_use]
    pub(crate) fn again(mut self, attempts_before: u32) -> Self {
        self.attempts_before = attempts_before;
        self
    }

    /// When it was published, where it says so and that can be read.
    pub(super) fn published(&self) -> Option<SystemTime> {
        self.headers.get(Envelope::CE_TIME).and_then(time::read)
    }
}

//! What the file has inside.

use redb::TableDefinition;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::events::Retention;

/// Numbers about the file itself.
pub(super) const META: TableDefinition<&str, u64> = TableDefinition::new("micro-events");
/// In [`META`], the version of all of this.
pub(super) const FORMAT: &str = "format";
/// In [`META`], the last number that was given to something.
pub(super) const NUMBERS: &str = "numbers";
/// The version that this code reads and writes.
pub(super) const FORMAT_VERSION: u64 = 1;

/// Topics by name, as JSON.
pub(super) const TOPICS: TableDefinition<&str, &[u8]> = TableDefinition::new("topics");
/// Events by the number of their topic and their offset.
pub(super) const EVENTS: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("events");
/// Groups by the number of their topic and their name, as JSON.
pub(super) const GROUPS: TableDefinition<(u64, &str), &[u8]> = TableDefinition::new("groups");
/// Events for later by their time and a number.
pub(super) const LATER: TableDefinition<(u64, u64), &[u8]> = TableDefinition::new("later");

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Topic {
    pub(super) number: u64,
    /// The offset of the oldest event.
    pub(super) first: u64,
    /// The offset of the next one.
    pub(super) next: u64,
    /// What the events have together.
    pub(super) bytes: u64,
    /// The times of the oldest and the newest event.
    pub(super) oldest: u64,
    pub(super) newest: u64,
    #[serde(default)]
    pub(super) retention: Retention,
}

impl Topic {
    pub(super) fn new(number: u64) -> Self {
        Self { number, first: 1, next: 1, bytes: 0, oldest: 0, newest: 0, retention: Retention::unlimited() }
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>> {
        serde_json::to_vec(self)
            .map_err(|error| Error::internal("a topic cannot be written").with_source(error))
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes)
            .map_err(|error| Error::data_loss("a topic cannot be read").with_source(error))
    }

    /// Whether the oldest event goes.
    pub(super) fn is_beyond(&self, now: u64) -> bool {
        let Retention { max_age, max_bytes, max_events } = self.retention;
        let age = u128::from(now.saturating_sub(self.oldest));
        self.first < self.next
            && (max_age.is_some_and(|most| age >= most.as_micros())
                || max_bytes.is_some_and(|most| self.bytes > most)
                || max_events.is_some_and(|most| self.next - self.first > most))
    }
}

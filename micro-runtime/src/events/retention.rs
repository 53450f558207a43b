use std::time::Duration;

/// How long and how much of a topic is kept. What is beyond any of the limits goes, the oldest first, whether somebody consumed
/// it or not. Without limits, which is what a topic begins with, nothing goes.
///
/// A consumer that is not yet at an event that went goes on with the oldest one that is kept. It
/// says so in a warning, and [`GroupStatus::missed`](super::GroupStatus::missed) counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Retention {
    /// The age at which an event goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
    /// How many bytes are kept, those of headers and bodies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_bytes: Option<u64>,
    /// How many events are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_events: Option<u64>,
}

impl Retention {
    /// Everything is kept.
    pub const fn unlimited() -> Self {
        Self { max_age: None, max_bytes: None, max_events: None }
    }

    /// The same with events that go at this age.
    #[must_use]
    pub const fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// The same with so many bytes.
    #[must_use]
    pub const fn max_bytes(mut self, bytes: u64) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The same with so many events.
    #[must_use]
    pub const fn max_events(mut self, events: u64) -> Self {
        self.max_events = Some(events);
        self
    }
}

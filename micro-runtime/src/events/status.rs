use std::time::SystemTime;

use crate::broker::Envelope;

/// An event as it lies in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// Its place in the topic: later events have greater ones.
    pub offset: u64,
    /// When the log took it.
    pub time: SystemTime,
    /// The event.
    pub envelope: Envelope,
}

/// How far a group is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct GroupStatus {
    /// Its name.
    pub name: String,
    /// All events before this offset were acknowledged, or had gone.
    pub position: u64,
    /// How many events of the topic the group has not acknowledged.
    pub lag: u64,
    /// How many of them are in the hands of its members, as far as this process knows.
    pub in_hand: u64,
    /// How many events [`Retention`](super::Retention) took away before the group was at them.
    pub missed: u64,
}

impl GroupStatus {
    /// A group that is there.
    pub fn new(name: impl Into<String>, position: u64, lag: u64) -> Self {
        Self { name: name.into(), position, lag, ..Self::default() }
    }
}

use std::num::NonZeroUsize;
use std::time::{Duration, SystemTime};

/// Where to begin in a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Start {
    /// With the oldest event that is kept.
    Oldest,
    /// With this one, or the oldest after it that is kept. An offset that is not there yet is waited for.
    Offset(u64),
    /// With the first one that was published at this time or later.
    Time(SystemTime),
    /// With the first one that is published from now on.
    #[default]
    New,
}

/// What a consumer asks of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumeOptions {
    /// The topic, as it was published to.
    pub topic: String,
    /// Where to begin; [`Start::New`] unless set. For a group it is looked at when the group first appears, and never again: it
    /// goes on where it stopped.
    pub start: Start,
    /// The group whose members share the events: each goes to one of them, and the log keeps how far the group is. Without
    /// one, a consumer gets every event, for as long as it is there.
    pub group: Option<String>,
    /// Whether events with the same [key](crate::broker::Envelope::key) are delivered in the order in which they were published:
    /// the next one not before the one before was acknowledged, whichever member of the group has it.
    pub ordered: bool,
    /// How many events are delivered and not yet acknowledged at the most; 16 unless set.
    pub in_hand: NonZeroUsize,
    /// How long an event may be in hand without being acknowledged or [extended](crate::broker::Delivery::extend), before it is delivered
    /// again; 30 seconds unless set. It holds for the whole group and is that of the member that came first.
    pub ack_wait: Duration,
}

impl ConsumeOptions {
    /// A consumer without a group that begins with what is new, in any order.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            start: Start::New,
            group: None,
            ordered: false,
            in_hand: const { NonZeroUsize::new(16).unwrap() },
            ack_wait: Duration::from_secs(30),
        }
    }

    /// The same from there on.
    #[must_use]
    pub fn start(mut self, start: Start) -> Self {
        self.start = start;
        self
    }

    /// The same in a group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into()).filter(|group| !group.is_empty());
        self
    }

    /// The same with events of one key in order.
    #[must_use]
    pub fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// The same with so many deliveries in hand.
    #[must_use]
    pub fn in_hand(mut self, deliveries: NonZeroUsize) -> Self {
        self.in_hand = deliveries;
        self
    }

    /// The same with this much time for each delivery.
    #[must_use]
    pub fn ack_wait(mut self, time: Duration) -> Self {
        self.ack_wait = time;
        self
    }
}

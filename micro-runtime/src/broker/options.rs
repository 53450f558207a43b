use std::fmt;
use std::num::NonZeroUsize;

/// How often an event is delivered to a subscription. The subscriber asks for it, and a broker that cannot give it
/// refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Guarantee {
    /// Once or not at all. An event is gone when its subscriber crashes, fails, or is too slow for the broker.
    AtMostOnce,
    /// Until it was acknowledged: never lost, and sometimes delivered again. What a handler does must bear that;
    /// [the id](super::Envelope::id) of the event tells it apart.
    #[default]
    AtLeastOnce,
}

impl fmt::Display for Guarantee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AtMostOnce => "at-most-once",
            Self::AtLeastOnce => "at-least-once",
        })
    }
}

/// What a subscriber asks of a broker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SubscribeOptions {
    /// The topic, as it was published to.
    pub topic: String,
    /// The group whose members share the events: each goes to one of them. Without one, every subscription gets every
    /// event, for as long as it is there.
    pub group: Option<String>,
    /// How often an event is delivered. A group with [`Guarantee::AtLeastOnce`] also gets the events that are published
    /// while none of its members is there, once one was, as far as the broker [is durable](Abilities::durable).
    pub guarantee: Guarantee,
    /// Whether events with the same [key](super::Envelope::key) are delivered in the order in which they were published:
    /// the next one not before the one before was acknowledged, whichever member of the group has it.
    pub ordered: bool,
    /// How many events are delivered and not yet acknowledged at the most; 16 unless set.
    pub in_hand: NonZeroUsize,
}

impl SubscribeOptions {
    /// A subscription without a group, at least once, in any order.
    pub fn new(topic: impl Into<String>) -> Self {
        Self {
            topic: topic.into(),
            group: None,
            guarantee: Guarantee::AtLeastOnce,
            ordered: false,
            in_hand: const { NonZeroUsize::new(16).unwrap() },
        }
    }

    /// The same in a group.
    #[must_use]
    pub fn group(mut self, group: impl Into<String>) -> Self {
        self.group = Some(group.into()).filter(|group| !group.is_empty());
        self
    }

    /// The same with this guarantee.
    #[must_use]
    pub fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
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
}

/// What a driver can do. The manual's table of drivers and its test kit say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// It can deliver at least once, given a server that is set up for it.
    pub at_least_once: bool,
    /// It can keep the order of events with the same key, over all members of a group.
    pub ordered: bool,
    /// It keeps events of a group that has no member at the moment, and dead letters that nobody takes.
    pub keeps: bool,
    /// What it keeps survives a restart of the broker.
    pub durable: bool,
}

impl Abilities {
    /// Nothing but delivery at most once.
    pub const fn new() -> Self {
        Self { at_least_once: false, ordered: false, keeps: false, durable: false }
    }

    /// The same with delivery at least once.
    #[must_use]
    pub const fn at_least_once(mut self) -> Self {
        self.at_least_once = true;
        self
    }

    /// The same with order by key.
    #[must_use]
    pub const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// The same, keeping what nobody takes.
    #[must_use]
    pub const fn keeps(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// The same, and restarts do not matter.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }
}

/// What a log can do. The manual's table of drivers and its test kit say the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Abilities {
    /// What was published, and how far groups are, survives the end of every process at any point.
    pub durable: bool,
    /// Processes that know nothing of each other can use it at the same time.
    pub shared: bool,
    /// Events can be published for [a later time](super::EventLog::publish_at).
    pub delays: bool,
    /// Several events can be published [as one](super::EventLog::publish_all).
    pub batches: bool,
    /// It can keep the order of events with the same key, over all members of a group.
    pub ordered: bool,
}

impl Abilities {
    /// Nothing but keeping events while this process lives.
    pub const fn new() -> Self {
        Self { durable: false, shared: false, delays: false, batches: false, ordered: false }
    }

    /// The same, and restarts do not matter.
    #[must_use]
    pub const fn durable(mut self) -> Self {
        self.durable = true;
        self
    }

    /// The same for several processes.
    #[must_use]
    pub const fn shared(mut self) -> Self {
        self.shared = true;
        self
    }

    /// The same with events for a later time.
    #[must_use]
    pub const fn delays(mut self) -> Self {
        self.delays = true;
        self
    }

    /// The same with several events as one.
    #[must_use]
    pub const fn batches(mut self) -> Self {
        self.batches = true;
        self
    }

    /// The same with order by key.
    #[must_use]
    pub const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }
}

use std::fmt;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use super::Envelope;
use crate::error::{Error, Result};

/// An event that is in somebody's hand.
///
/// It is acknowledged when it was handled. One that is dropped goes back to the broker, which delivers it again.
pub struct Delivery {
    /// The event.
    pub envelope: Envelope,
    /// How many attempts there surely were before this delivery, as far as the broker knows: 0 for the first one. A
    /// broker that knows only that there were some says 1.
    pub attempts_before: u32,
    /// Where it lies, for an event of a [log](crate::events).
    pub position: Option<Position>,
    acknowledge: Box<dyn Acknowledge>,
}

/// The place of an event in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// What tells it from the other events of its topic: later ones have greater offsets.
    pub offset: u64,
    /// When the log took it.
    pub time: SystemTime,
}

/// What a driver does about a delivery in the end. Dropping it gives the event back, to be delivered again at once.
#[async_trait]
pub trait Acknowledge: Send + Sync + 'static {
    /// It was handled, and is not delivered again. Where this fails it may be.
    async fn ack(self: Box<Self>) -> Result<()>;

    /// It cannot be handled, and nobody keeps it as a dead letter either. A driver whose publisher waits tells it
    /// the error; any other one gives the event back, to be delivered again later.
    async fn refuse(self: Box<Self>, error: &Error) {
        let _ = error;
    }

    /// It is to be delivered again, and not before this time is over. A driver that cannot wait delivers it again at
    /// once.
    async fn give_back(self: Box<Self>, after: Duration) {
        let _ = after;
    }

    /// It takes longer, and is not to be given to others: called every few seconds while somebody works on it.
    async fn extend(&self) {}
}

impl Delivery {
    /// A delivery for the first time.
    pub fn new(envelope: Envelope, acknowledge: impl Acknowledge) -> Self {
        Self { envelope, attempts_before: 0, position: None, acknowledge: Box::new(acknowledge) }
    }

    /// The same, delivered again.
    #[must_use]
    pub fn again(mut self, attempts_before: u32) -> Self {
        self.attempts_before = attempts_before;
        self
    }

    /// The same with its place in a log.
    #[must_use]
    pub fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }

    /// The same for a subscription that delivers at most once: there is nothing to acknowledge.
    pub fn at_most_once(envelope: Envelope) -> Self {
        Self::new(envelope, Nothing)
    }

    /// It was handled. Where this fails it may be delivered again.
    pub async fn ack(self) -> Result<()> {
        self.acknowledge.ack().await
    }

    /// It cannot be handled, see [`Acknowledge::refuse`].
    pub async fn refuse(self, error: &Error) {
        self.acknowledge.refuse(error).await;
    }

    /// It is to be delivered again after this time, see [`Acknowledge::give_back`].
    pub async fn give_back(self, after: Duration) {
        self.acknowledge.give_back(after).await;
    }

    /// It takes longer, see [`Acknowledge::extend`].
    pub async fn extend(&self) {
        self.acknowledge.extend().await;
    }
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("envelope", &self.envelope)
            .field("attempts_before", &self.attempts_before)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

struct Nothing;

#[async_trait]
impl Acknowledge for Nothing {
    async fn ack(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

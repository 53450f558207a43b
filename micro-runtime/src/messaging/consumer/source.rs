use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::broker::{Broker, Envelope, Guarantee, SubscribeOptions, Subscription};
use crate::error::Result;
use crate::events::{ConsumeOptions, EventLog};

/// How often whoever delivered an event is told that somebody works on it.
const EXTEND_EVERY: Duration = Duration::from_secs(10);

/// Where a subscriber has its events from: a broker or a log, and what it asked for.
#[async_trait]
pub(crate) trait Source: Send + Sync + 'static {
    fn topic(&self) -> &str;

    fn group(&self) -> Option<&str>;

    /// How many events are in hand at the most.
    fn in_hand(&self) -> NonZeroUsize;

    /// Whether an event that is not handled is gone.
    fn at_most_once(&self) -> bool;

    /// How often to say that somebody works on an event.
    fn extend_every(&self) -> Duration;

    /// Begins to be given events.
    async fn begin(&self) -> Result<Box<dyn Subscription>>;

    /// Puts a dead letter where it is kept.
    async fn bury(&self, topic: &str, letter: Envelope) -> Result<()>;
}

pub(crate) struct OfBroker {
    pub(crate) broker: Arc<dyn Broker>,
    pub(crate) options: SubscribeOptions,
}

#[async_trait]
impl Source for OfBroker {
    fn topic(&self) -> &str {
        &self.options.topic
    }

    fn group(&self) -> Option<&str> {
        self.options.group.as_deref()
    }

    fn in_hand(&self) -> NonZeroUsize {
        self.options.in_hand
    }

    fn at_most_once(&self) -> bool {
        self.options.guarantee == Guarantee::AtMostOnce
    }

    fn extend_every(&self) -> Duration {
        self.broker.ack_wait().map_or(EXTEND_EVERY, |time| EXTEND_EVERY.min(time / 3))
    }

    async fn begin(&self) -> Result<Box<dyn Subscription>> {
        self.broker.subscribe(self.options.clone()).await
    }

    async fn bury(&self, topic: &str, letter: Envelope) -> Result<()> {
        self.broker.keep(topic, letter).await
    }
}

pub(crate) struct OfLog {
    pub(crate) log: Arc<dyn EventLog>,
    pub(crate) options: ConsumeOptions,
}

#[async_trait]
impl Source for OfLog {
    fn topic(&self) -> &str {
        &self.options.topic
    }

    fn group(&self) -> Option<&str> {
        self.options.group.as_deref()
    }

    fn in_hand(&self) -> NonZeroUsize {
        self.options.in_hand
    }

    fn at_most_once(&self) -> bool {
        false
    }

    fn extend_every(&self) -> Duration {
        // One that gets lost is made up for by the next.
        EXTEND_EVERY.min(self.options.ack_wait / 3)
    }

    async fn begin(&self) -> Result<Box<dyn Subscription>> {
        self.log.consume(self.options.clone()).await
    }

    async fn bury(&self, topic: &str, letter: Envelope) -> Result<()> {
        self.log.publish(topic, letter).await.map(|_| ())
    }
}

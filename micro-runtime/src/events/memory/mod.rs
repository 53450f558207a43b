//! A log in memory.

mod clock;
mod delayed;
mod shelf;
mod topic;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

use self::shelf::Shelf;
use super::group::Table;
use super::limits::{check_event, check_group, check_topic};
use super::{Abilities, ConsumeOptions, EventLog, GroupStatus, Retention, Start, Stored};
use crate::broker::{Envelope, Subscription};
use crate::error::Result;

/// A log in memory: for tests, and for services that live in one process.
///
/// Clones are the same log; two made with [`Memory::new`] know nothing of each other. Nothing of it survives the process.
///
/// It keeps up to 100,000 events and 256 MiB. Events go only where [`Retention`] says so: when it is full, publishing fails with
/// `resource_exhausted`. Times are tokio's, so a test with a paused clock decides when events are old or due.
#[derive(Clone)]
pub struct Memory {
    shelf: Arc<Shelf>,
    groups: Arc<Table>,
}

impl Memory {
    /// How many events it keeps unless [another number](Self::max_events) is set: all topics and events for later together.
    pub const MAX_EVENTS: usize = 100_000;

    /// How many bytes it keeps unless [another number](Self::max_bytes) is set.
    pub const MAX_BYTES: usize = 256 << 20;

    /// An empty log.
    pub fn new() -> Self {
        Self::with(Self::MAX_EVENTS, Self::MAX_BYTES)
    }

    /// An empty log for so many events.
    #[must_use]
    pub fn max_events(self, events: usize) -> Self {
        Self::with(events, self.shelf.max_bytes())
    }

    /// An empty log for so many bytes, those of headers and bodies.
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        Self::with(self.shelf.max_events(), bytes)
    }

    fn with(events: usize, bytes: usize) -> Self {
        let shelf = Arc::new(Shelf::new(events, bytes));
        Self { groups: Table::new(shelf.clone()), shelf }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory").field("shelf", &self.shelf).finish_non_exhaustive()
    }
}

#[async_trait]
impl EventLog for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn abilities(&self) -> Abilities {
        Abilities::new().delays().batches().ordered()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<u64> {
        Ok(self.publish_all(topic, vec![envelope]).await?.start)
    }

    async fn publish_all(&self, topic: &str, envelopes: Vec<Envelope>) -> Result<Range<u64>> {
        check_topic(topic)?;
        let sized = envelopes.into_iter().map(|envelope| Ok((check_event(topic, &envelope)?, envelope)));
        self.shelf.append(topic, sized.collect::<Result<_>>()?)
    }

    async fn publish_at(&self, topic: &str, envelope: Envelope, at: SystemTime) -> Result<()> {
        check_topic(topic)?;
        let bytes = check_event(topic, &envelope)?;
        self.shelf.append_at(topic, bytes, envelope, at)
    }

    async fn consume(&self, options: ConsumeOptions) -> Result<Box<dyn Subscription>> {
        self.groups.consume(options).await
    }

    async fn read(&self, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>> {
        check_topic(topic)?;
        self.shelf.read(topic, start, limit)
    }

    async fn set_retention(&self, topic: &str, retention: Retention) -> Result<()> {
        check_topic(topic)?;
        self.shelf.set_retention(topic, retention)
    }

    async fn groups(&self, topic: &str) -> Result<Vec<GroupStatus>> {
        check_topic(topic)?;
        self.groups.save(topic).await;
        let mut groups = self.shelf.groups(topic)?;
        self.groups.describe(topic, &mut groups).await;
        Ok(groups)
    }

    async fn delete_group(&self, topic: &str, group: &str) -> Result<()> {
        check_topic(topic)?;
        check_group(group)?;
        self.groups.end(topic, group).await;
        self.shelf.delete_group(topic, group)
    }

    async fn close(&self) -> Result<()> {
        self.groups.close().await;
        self.shelf.close();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::error::Code;
    use crate::events::conformance;

    #[tokio::test(start_paused = true)]
    async fn the_log_in_memory_conforms() -> Result<()> {
        let log = Memory::new();
        let make = || -> Arc<dyn EventLog> { Arc::new(log.clone()) };
        conformance::run(make, conformance::Promises::default()).await
    }

    #[tokio::test]
    async fn a_full_log_refuses_events_and_keeps_those_it_has() -> Result<()> {
        let log = Memory::new().max_events(2);
        log.publish("orders", Envelope::new("a")).await?;
        log.publish_at("later", Envelope::new("b"), SystemTime::now() + Duration::from_secs(60)).await?;
        let error = log.publish("orders", Envelope::new("c")).await.expect_err("it is full");
        assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
        assert!(error.message().contains("set_retention"), "{error}");
        assert_eq!(log.read("orders", Start::Oldest, 9).await?.len(), 1);

        let small = Memory::new().max_bytes(10);
        small.publish("orders", Envelope::new("0123456789")).await?;
        let error = small.publish("orders", Envelope::new("c")).await.expect_err("it is full");
        assert_eq!(error.code(), Code::ResourceExhausted, "{error}");
        Ok(())
    }

    #[tokio::test]
    async fn a_log_that_was_closed_says_so_and_ends_its_consumers() -> Result<()> {
        let log = Memory::new();
        let mut group = log.consume(ConsumeOptions::new("orders").group("a")).await?;
        let mut alone = log.consume(ConsumeOptions::new("orders")).await?;
        log.close().await?;
        assert!(group.next().await.is_none());
        assert!(alone.next().await.is_none());
        let error = log.publish("orders", Envelope::new("a")).await.expect_err("it is closed");
        assert_eq!(error.code(), Code::Unavailable);
        assert!(log.consume(ConsumeOptions::new("orders")).await.is_err());
        Ok(())
    }
}

//! Durable events: logs that keep what was published, and can be read again.
//!
//! A [broker](crate::broker) carries an event to those who subscribe now, and forgets it. An [`EventLog`] keeps the events of
//! a topic in the order in which they were published, each with its offset, until [`Retention`] lets them go. Whoever
//! consumes it says where to begin: at the start, at an offset, at a time, or with what is new. A *group* shares the
//! events of a topic, each to one of its members, and the log keeps how far the group is, so that it goes on where it
//! stopped.
//!
//! An event is the same [`Envelope`] as that of a broker, and consuming is the same [`Subscription`]: what decodes events, tries
//! again and writes dead letters is the same for both. The dead letters of a topic are a topic of the log as well.
//!
//! ```
//! use micro_runtime::broker::Envelope;
//! use micro_runtime::events::{ConsumeOptions, EventLog, Memory, Start};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> micro_runtime::Result<()> {
//! let log = Memory::new();
//! let offset = log.publish("orders", Envelope::new("book")).await?;
//!
//! let mut orders = log.consume(ConsumeOptions::new("orders").start(Start::Oldest).group("invoices")).await?;
//! let order = orders.next().await.expect("there is one");
//! assert_eq!(order.position.map(|position| position.offset), Some(offset));
//! order.ack().await?;
//!
//! // It is still there, for others and for those who look again.
//! assert_eq!(log.read("orders", Start::Oldest, 10).await?.len(), 1);
//! assert_eq!(log.groups("orders").await?[0].lag, 0);
//! # Ok(())
//! # }
//! ```

mod abilities;
pub mod conformance;
#[cfg(feature = "file")]
mod file;
mod group;
#[cfg(feature = "nats")]
mod jetstream;
mod limits;
mod memory;
mod options;
mod retention;
mod status;

use std::fmt;
use std::ops::Range;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;

pub use abilities::Abilities;
#[cfg(feature = "file")]
pub use file::File;
#[cfg(feature = "nats")]
pub use jetstream::JetStream;
pub use limits::{MAX_EVENT, MAX_NAME};
pub use memory::Memory;
pub use options::{ConsumeOptions, Start};
pub use retention::Retention;
pub use status::{GroupStatus, Stored};

use crate::broker::{Envelope, Subscription};
use crate::error::Result;

/// A system that keeps events in order, and its client library.
///
/// The methods may be called at the same time from anywhere. A handle is cheap to make and does nothing until it is
/// used; where it has a server, it connects with the first call, and again by itself when the connection is lost.
///
/// All methods fail with `unavailable` where the log cannot be reached, and with `invalid_argument` for a topic or a group
/// that it cannot keep; the message names the rule. A topic is there with the first event or the first consumer.
#[async_trait]
pub trait EventLog: fmt::Debug + Send + Sync + 'static {
    /// The name it is chosen by: `file`.
    fn name(&self) -> &'static str;

    /// What it can do and what not, as far as that does not depend on the server.
    fn abilities(&self) -> Abilities;

    /// Appends an event to a topic, and returns its offset.
    ///
    /// `Ok` is a promise: the event is kept, as far as the log [is durable](Abilities::durable), until [`Retention`] lets
    /// it go. Later events of the topic have greater offsets. Waits where the log cannot take more at the moment; whoever drops
    /// the future does not know whether the event was taken.
    ///
    /// Fails with `invalid_argument` for an event that the log cannot keep, among them one that is too large, and with
    /// `resource_exhausted` where the log is full.
    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<u64>;

    /// Appends several events, all of them or none, and returns their offsets, which follow each other.
    ///
    /// Fails as [`publish`](Self::publish) does, and with `failed_precondition` where the log [cannot
    /// do that](Abilities::batches) and there is more than one.
    async fn publish_all(&self, topic: &str, envelopes: Vec<Envelope>) -> Result<Range<u64>>;

    /// Keeps an event, and appends it to its topic at this time, or soon after. Nobody sees it before; it has its offset from
    /// then on. One whose time has come is appended at once.
    ///
    /// Fails as [`publish`](Self::publish) does, and with `failed_precondition` where the log [cannot do
    /// that](Abilities::delays).
    async fn publish_at(&self, topic: &str, envelope: Envelope, at: SystemTime) -> Result<()>;

    /// Begins to be given the events of a topic, one after the other, first those that are there.
    ///
    /// A delivery has its [position](crate::broker::Delivery::position). One that is dropped is delivered again at once, one that is
    /// [refused](crate::broker::Delivery::refuse) or [given back](crate::broker::Delivery::give_back) later, and one that is
    /// neither acknowledged nor [extended](crate::broker::Delivery::extend) after [`ack_wait`](ConsumeOptions::ack_wait).
    /// Acknowledging may be in any order.
    ///
    /// Fails with `failed_precondition` where the log cannot give what is asked.
    async fn consume(&self, options: ConsumeOptions) -> Result<Box<dyn Subscription>>;

    /// The events from there on, at the most `limit`, for looking at them: nothing is acknowledged. There may be fewer than `limit`
    /// although there are more, since an answer is limited to some MiB; an empty answer is the end. With [`Start::New`] it is always empty.
    async fn read(&self, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>>;

    /// How long and how much of a topic is kept. Events that are beyond it go at once.
    async fn set_retention(&self, topic: &str, retention: Retention) -> Result<()>;

    /// The groups of a topic, sorted by name, and how far they are.
    async fn groups(&self, topic: &str) -> Result<Vec<GroupStatus>>;

    /// Forgets a group: its members are over, and when it appears again it begins anew. One that is not there is no error.
    async fn delete_group(&self, topic: &str, group: &str) -> Result<()>;

    /// Ends everything: what was taken is kept, positions are saved, and all that consumes is over.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// A shared log is one as well, whatever driver it is.
#[async_trait]
impl<L: EventLog + ?Sized> EventLog for Arc<L> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn abilities(&self) -> Abilities {
        (**self).abilities()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<u64> {
        (**self).publish(topic, envelope).await
    }

    async fn publish_all(&self, topic: &str, envelopes: Vec<Envelope>) -> Result<Range<u64>> {
        (**self).publish_all(topic, envelopes).await
    }

    async fn publish_at(&self, topic: &str, envelope: Envelope, at: SystemTime) -> Result<()> {
        (**self).publish_at(topic, envelope, at).await
    }

    async fn consume(&self, options: ConsumeOptions) -> Result<Box<dyn Subscription>> {
        (**self).consume(options).await
    }

    async fn read(&self, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>> {
        (**self).read(topic, start, limit).await
    }

    async fn set_retention(&self, topic: &str, retention: Retention) -> Result<()> {
        (**self).set_retention(topic, retention).await
    }

    async fn groups(&self, topic: &str) -> Result<Vec<GroupStatus>> {
        (**self).groups(topic).await
    }

    async fn delete_group(&self, topic: &str, group: &str) -> Result<()> {
        (**self).delete_group(topic, group).await
    }

    async fn close(&self) -> Result<()> {
        (**self).close().await
    }
}

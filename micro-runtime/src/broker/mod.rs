//! Brokers: what carries events from those who publish them to those who subscribe.
//!
//! A [`Broker`] is one system and its client library. It carries an [`Envelope`], which is headers and bytes, from
//! [`publish`](Broker::publish) to every [`Subscription`] of the topic: to each that has no group, and to one of
//! each group. What the bytes are is not its business; that is the typed half, [`messaging`](crate::messaging).
//!
//! Nor does a driver retry, count attempts or write dead letters. All of that happens in one place above the drivers,
//! and so it is the same for all of them. A driver has one duty for it: a [`Delivery`] of a subscription with
//! [`Guarantee::AtLeastOnce`] that was not acknowledged is delivered again, to whoever is there, whatever became of
//! the process that had it.

mod check;
pub mod conformance;
mod delivery;
mod envelope_json;
mod http;
mod memory;
mod named;
#[cfg(feature = "nats")]
mod nats;
mod options;
#[cfg(feature = "rabbitmq")]
mod rabbitmq;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

pub(crate) use check::check_topic;
pub use delivery::{Acknowledge, Delivery, Position};
pub use http::Http;
pub use memory::Memory;
pub use named::{DEFAULT, Surroundings, by_name, from_environment};
#[cfg(feature = "nats")]
pub use nats::Nats;
pub use options::{Abilities, Guarantee, SubscribeOptions};
#[cfg(feature = "rabbitmq")]
pub use rabbitmq::RabbitMq;

use crate::error::Result;
pub use crate::event::{Envelope, Headers};

/// How the name of a topic ends that holds dead letters: `greeted.dead-letter` has those of `greeted`.
///
/// All subscriptions of such a topic, whatever their groups, share what is [kept](Broker::keep) there, and are given what was
/// kept before them.
pub const DEAD_LETTER: &str = ".dead-letter";

/// Whether a topic holds dead letters.
///
/// ```
/// use micro_runtime::broker::is_dead_letter;
///
/// assert!(is_dead_letter("greeted.dead-letter"));
/// assert!(!is_dead_letter("greeted"));
/// ```
pub fn is_dead_letter(topic: &str) -> bool {
    topic.ends_with(DEAD_LETTER)
}

/// A way to publish events and to be given them.
///
/// The methods may be called at the same time from anywhere. A handle is cheap to make and does nothing until it is
/// used: it connects with the first call, and connects again by itself when the connection is lost.
#[async_trait]
pub trait Broker: fmt::Debug + Send + Sync + 'static {
    /// The name it is chosen by: `nats`.
    fn name(&self) -> &'static str;

    /// What it can do and what not, as far as that does not depend on the server.
    fn abilities(&self) -> Abilities;

    /// Hands an event over.
    ///
    /// `Ok` is a promise: the event will be delivered to every subscription with [`Guarantee::AtLeastOnce`] that was
    /// there before. That nobody subscribes is no error. Waits where the broker cannot take more, so that whoever
    /// publishes feels it; the caller sets a limit by dropping the future, and then does not know whether
    /// the event was taken.
    ///
    /// Fails with `unavailable` where the broker cannot be reached, `resource_exhausted` where it refuses the event
    /// because it has too many, `invalid_argument` for a topic or an event that it cannot carry, among them one that is
    /// too large. Events of one topic that are published one after the other, each after the `Ok` of the one before, stay in order.
    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<()>;

    /// The same for an event that must not get lost where nobody subscribes yet: a dead letter. It is kept until there
    /// is a subscription, which is given it first. Fails with `failed_precondition` where the driver cannot keep
    /// anything ([`Abilities::keeps`]) and nobody subscribes.
    async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()>;

    /// Begins to be given the events of a topic. When this returns, every event that is published from now on is for
    /// this subscription as well.
    ///
    /// Fails with `failed_precondition` where the driver, or the server behind it, cannot give what is asked: the
    /// message says what to do. Nothing is promised in silence and not kept.
    async fn subscribe(&self, options: SubscribeOptions) -> Result<Box<dyn Subscription>>;

    /// How long a delivery may be in hand without being [extended](Delivery::extend), where the broker gives it to others then. `None` where it
    /// does not.
    fn ack_wait(&self) -> Option<Duration> {
        None
    }

    /// Ends all connections, after what was handed over is on its way. Subscriptions are over.
    async fn close(&self) -> Result<()> {
        Ok(())
    }
}

/// What is given to one subscriber. Dropping it ends it; what was delivered and not acknowledged goes to others.
#[async_trait]
pub trait Subscription: Send + 'static {
    /// The next event. `None` where there will be none: after [`end`](Self::end), or because the broker was closed.
    ///
    /// Waits while [`in_hand`](SubscribeOptions::in_hand) deliveries are neither acknowledged nor dropped, and while the
    /// broker is away: a lost connection is no end. Dropping the future loses nothing.
    async fn next(&mut self) -> Option<Delivery>;

    /// Takes no further events. Deliveries that are out can still be acknowledged; those that were fetched and not
    /// yet returned by [`next`](Self::next) go to others, or stay for this group.
    async fn end(&mut self) -> Result<()>;
}

/// A shared broker is one as well, whatever driver it is.
#[async_trait]
impl<B: Broker + ?Sized> Broker for Arc<B> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    fn abilities(&self) -> Abilities {
        (**self).abilities()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<()> {
        (**self).publish(topic, envelope).await
    }

    async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()> {
        (**self).keep(topic, envelope).await
    }

    async fn subscribe(&self, options: SubscribeOptions) -> Result<Box<dyn Subscription>> {
        (**self).subscribe(options).await
    }

    fn ack_wait(&self) -> Option<Duration> {
        (**self).ack_wait()
    }

    async fn close(&self) -> Result<()> {
        (**self).close().await
    }
}

//! Events with a type: publishing them, and subscribing to them, over any [broker](crate::broker).
//!
//! A [`Topic`] has a name and the type of its events, so that who publishes and who subscribes cannot disagree about
//! it. A [`Publisher`] publishes. A subscriber is a method with `#[subscribe(…)]` in a `#[micro::handler]` impl block, or
//! what [`Publisher::subscribe`] is given.
//!
//! What is delivered again, how often, and what becomes of events that nobody can handle is decided here and not in
//! the drivers, so it is the same for all of them:
//!
//! - A handler that returns `Ok` is done with the event.
//! - One that fails or panics is given the event again, after a while that grows, and with a greater
//!   [`attempt`](Event::attempt).
//! - After 5 attempts, unless set otherwise, the event is a dead letter: it goes to the topic `<topic>.dead-letter`,
//!   as it was, with the reason in its headers. So does an event that cannot be decoded, at once.
//! - The subscriber holds no more than 16 events, unless set otherwise.

mod arrival;
mod consumer;
mod content;
mod counts;
mod log;
mod options;
mod publish;
mod publisher;
mod pull;
mod served;
mod stamp;
mod subscribe;
mod via;

pub use consumer::{DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY, dead_letter_topic};
pub use log::Log;
pub use publish::Publish;
pub use publisher::{DEFAULT_PUBLISH_TIMEOUT, Publisher};
pub use pull::{Events, Received};
pub(crate) use served::{Subscriptions, Surroundings};
pub use subscribe::{DEFAULT_STOP_TIMEOUT, Subscribe, Subscribed};
pub(crate) use via::Opened;

pub use crate::event::{Event, NamedTopic, ToTopic, Topic};

/// Headers of dead letters.
pub mod dead_letter {
    pub use super::consumer::{ATTEMPTS, GROUP, REASON, TIME, TOPIC};
}

#[cfg(test)]
mod tests;

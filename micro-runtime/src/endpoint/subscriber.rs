//! Subscribers: methods that are given events and answer nobody.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::handler::{Binder, Endpoint};
use super::{MethodDescriptor, Serve};

/// What a subscriber says about itself.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SubscriberDescriptor {
    /// The topic whose events it is given.
    pub topic: &'static str,
    /// The group that it shares events with: each event goes to one of a group. Empty where it
    /// shares with nobody.
    pub group: &'static str,
    /// Whether an event that it fails to handle is gone, and not delivered again.
    pub at_most_once: bool,
    /// How many attempts an event gets before it becomes a dead letter, where the subscriber says so.
    pub attempts: Option<u32>,
    /// How many events it handles at the same time at the most, where it says so.
    pub concurrency: Option<u32>,
    /// Whether it is given events with the same key one after the other, in the order in which they were published.
    pub ordered: bool,
    /// What the event is handed to. It takes the event and answers nothing.
    pub method: MethodDescriptor,
}

impl SubscriberDescriptor {
    /// Describes a subscriber, at least once and in any order, whose method has this description. An empty group is
    /// none.
    pub(super) const fn new(topic: &'static str, group: &'static str, method: MethodDescriptor) -> Self {
        Self { topic, group, at_most_once: false, attempts: None, concurrency: None, ordered: false, method }
    }

    /// Lets an event go that it fails to handle.
    #[must_use]
    pub const fn at_most_once(mut self) -> Self {
        self.at_most_once = true;
        self
    }

    /// Sets how many attempts an event gets.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = Some(attempts);
        self
    }

    /// Sets how many events it handles at the same time.
    #[must_use]
    pub const fn concurrency(mut self, events: u32) -> Self {
        self.concurrency = Some(events);
        self
    }

    /// Has it given the events of a key in order.
    #[must_use]
    pub const fn ordered(mut self) -> Self {
        self.ordered = true;
        self
    }

    /// Sets how long an attempt may take.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.method.timeout = Some(timeout);
        self
    }
}

/// A subscriber and the code behind it.
pub(crate) struct Subscriber {
    pub(crate) descriptor: &'static SubscriberDescriptor,
    pub(crate) endpoint: Endpoint,
}

impl Subscriber {
    pub(super) fn new(descriptor: &'static SubscriberDescriptor, serve: impl Serve + 'static) -> Self {
        Self { descriptor, endpoint: Endpoint::new(&descriptor.method, serve) }
    }
}

/// The subscribers of a server, by topic.
#[derive(Default)]
pub(crate) struct Subscribers(HashMap<&'static str, Vec<Arc<Subscriber>>>);

impl Subscribers {
    /// Takes the subscribers of the handlers that were bound.
    pub(crate) fn take(binder: &mut Binder) -> Self {
        let mut topics: HashMap<_, Vec<_>> = HashMap::new();
        for subscriber in std::mem::take(&mut binder.subscribers) {
            topics.entry(subscriber.descriptor.topic).or_default().push(subscriber);
        }
        Self(topics)
    }

    /// The subscribers of one topic.
    pub(crate) fn of(&self, topic: &str) -> &[Arc<Subscriber>] {
        self.0.get(topic).map_or(&[], Vec::as_slice)
    }

    /// All of them, in the order of their topics, the last one first, as go-micro lists them.
    pub(crate) fn all(&self) -> Vec<Arc<Subscriber>> {
        let mut all: Vec<_> = self.0.values().flatten().cloned().collect();
        all.sort_by_key(|subscriber| {
            let SubscriberDescriptor { topic, method, .. } = subscriber.descriptor;
            (Reverse(*topic), method.path)
        });
        all
    }
}

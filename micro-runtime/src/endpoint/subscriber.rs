//! Subscribers: methods that are given events and answer nobody.

use std::collections::HashMap;

use super::handler::{Binder, Endpoint};
use super::{ContextArgument, MethodDescriptor, Outcome, Serve, returning};
use crate::message::Message;

/// What a subscriber says about itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct SubscriberDescriptor {
    /// The topic whose events it is given.
    pub topic: &'static str,
    /// The group that it shares events with: each event goes to one of a group. Empty where it
    /// shares with nobody.
    pub group: &'static str,
    /// What the event is handed to. It takes the event and answers nothing.
    pub method: MethodDescriptor,
}

/// A subscriber, as a type.
#[doc(hidden)]
pub trait Subscribing: 'static {
    /// What `ctx` refers to.
    type Context: ContextArgument;

    /// What it is given.
    type Event: Message;

    /// What it returns.
    type Outcome: Handled;

    /// What it is.
    const DESCRIPTOR: &'static SubscriberDescriptor;
}

/// What a subscriber returns: an [`Outcome`] of `()`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a subscriber returns `Result<()>`, and not `{Self}`",
    label = "not `Result<()>`",
    note = "nobody waits for an answer to an event; an error says that it was not handled"
)]
pub trait Handled: Send + 'static {
    fn into_handled(self) -> crate::Result<()>;
}

#[diagnostic::do_not_recommend]
impl<R: Outcome<Body = ()>> Handled for R {
    fn into_handled(self) -> crate::Result<()> {
        self.into_result()
    }
}

/// Describes a subscriber. Generated code calls it.
#[doc(hidden)]
pub const fn describe_subscriber<S: Subscribing>(
    topic: &'static str,
    group: &'static str,
    service: &'static str,
    name: &'static str,
    path: &'static str,
    doc: &'static str,
) -> SubscriberDescriptor {
    let method = MethodDescriptor::new::<S::Event, ()>(service, name, path, doc);
    SubscriberDescriptor { topic, group, method }
}

/// Serves events with a method. Generated code calls it.
#[doc(hidden)]
pub fn serve_subscriber<S, F, Fut>(method: F) -> impl Serve + 'static
where
    S: Subscribing,
    F: Fn(S::Context, S::Event) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = S::Outcome> + Send + 'static,
{
    returning(move |ctx, event| {
        let handled = method(S::Context::from_context(ctx), event);
        async move { handled.await.into_handled() }
    })
}

/// A subscriber and the code behind it.
pub(crate) struct Subscriber {
    pub(crate) descriptor: &'static SubscriberDescriptor,
    pub(crate) endpoint: Endpoint,
}

/// The subscribers of a server, by topic.
#[derive(Default)]
pub(crate) struct Subscribers(HashMap<&'static str, Vec<Subscriber>>);

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
    pub(crate) fn of(&self, topic: &str) -> &[Subscriber] {
        self.0.get(topic).map_or(&[], Vec::as_slice)
    }

    /// All of them, in the order of their topics, the last one first, as go-micro lists them.
    pub(crate) fn descriptors(&self) -> Vec<&'static SubscriberDescriptor> {
        let mut all: Vec<_> = self.0.values().flatten().map(|subscriber| subscriber.descriptor).collect();
        all.sort_by_key(|subscriber| (std::cmp::Reverse(subscriber.topic), subscriber.method.path));
        all
    }
}

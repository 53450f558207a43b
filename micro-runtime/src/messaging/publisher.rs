use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;

use super::via::{Opened, Via};
use super::{Publish, Subscribe, ToTopic};
use crate::broker::{Broker, Envelope};
use crate::codec::Codecs;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::metrics::Metrics;

/// How long a broker may take to accept an event, where nobody says otherwise.
pub const DEFAULT_PUBLISH_TIMEOUT: Duration = Duration::from_secs(30);

/// So many events of [`Publisher::publish_all`] are on their way to the broker at the same time.
const WINDOW: usize = 256;

/// Publishes events. Clones share the broker.
///
/// A service has one ([`Service::publisher`](crate::Service::publisher)), and so has a client
/// ([`Client::publisher`](crate::Client::publisher)); a handler publishes with its context
/// ([`Context::publish`]).
///
/// ```
/// use micro_runtime::broker::Memory;
/// use micro_runtime::messaging::{Publisher, Topic};
/// use micro_runtime::{Context, Result};
///
/// const GREETED: Topic<String> = Topic::new("greeted");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let publisher = Publisher::new(Memory::new());
/// publisher.publish(&Context::new(), GREETED, "Ada".to_owned()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Publisher(Arc<Inner>);

struct Inner {
    opened: OnceLock<Opened>,
    open: Box<dyn Fn() -> Result<Opened> + Send + Sync>,
}

impl Publisher {
    /// Publishes with this broker.
    pub fn new(broker: impl Broker) -> Self {
        let opened = Opened::new(Arc::new(broker), Codecs::default(), "micro", Metrics::off());
        Self::lazy(move || Ok(opened.clone()))
    }

    /// Publishes with what this returns, which is asked for when it is first needed.
    pub(crate) fn lazy(open: impl Fn() -> Result<Opened> + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { opened: OnceLock::new(), open: Box::new(open) }))
    }

    pub(crate) fn opened(&self) -> Result<&Opened> {
        match self.0.opened.get() {
            Some(opened) => Ok(opened),
            None => {
                let opened = (self.0.open)()?;
                Ok(self.0.opened.get_or_init(|| opened))
            }
        }
    }

    /// Publishes an event, when what is returned is awaited; its methods are the options.
    ///
    /// `Ok` says that the broker has it: every subscription at least once will be given it. A broker that cannot take
    /// more makes this wait, until the deadline of the context or the [timeout](Publish::timeout).
    ///
    /// Fails with `unavailable`, `resource_exhausted` or `deadline_exceeded` where the broker did not take the event in
    /// time, after which it may be delivered all the same; and with `invalid_argument` where the broker cannot carry it.
    pub fn publish<K: ToTopic>(&self, ctx: &Context, topic: K, event: K::Message) -> Publish<K::Message> {
        Publish::new(self.via(), ctx, topic.topic_name(), event)
    }

    /// Publishes many events, a few hundred of them at the same time, and returns how many there were.
    ///
    /// It is for bulk: one event at a time waits for each answer of the broker. Events may arrive in another order. The
    /// first one that fails ends it; what was on its way by then is waited for, and the error says how many
    /// events were taken.
    pub async fn publish_all<K: ToTopic>(
        &self,
        ctx: &Context,
        topic: K,
        events: impl IntoIterator<Item = K::Message>,
    ) -> Result<usize> {
        let via = self.via()?;
        let publish = |event| Publish::new(Ok(via.clone()), ctx, topic.topic_name(), event);
        bulk(events.into_iter().map(publish)).await
    }

    /// Publishes an event that is encoded already, with nothing but the headers that it has: to pass one on as it
    /// came.
    pub async fn publish_envelope(&self, topic: &str, envelope: Envelope) -> Result<()> {
        let opened = self.opened()?;
        let published = opened.broker.publish(topic, envelope).await;
        opened.via.count(published.is_ok());
        published
    }

    /// Subscribes to a topic, when one of the last methods of what is returned is awaited; its other methods are the
    /// options.
    pub fn subscribe<K: ToTopic>(&self, topic: K) -> Subscribe<K::Message> {
        Subscribe::on_broker(self.opened(), topic.topic_name())
    }

    fn via(&self) -> Result<Arc<Via<()>>> {
        Ok(self.opened()?.via.clone())
    }

    /// The broker. Fails where it cannot be had: because the environment names one that there is not, for example.
    pub fn broker(&self) -> Result<Arc<dyn Broker>> {
        Ok(self.opened()?.broker.clone())
    }
}

impl Context {
    /// Publishes an event with the broker of the service that this context serves a call or an event of. It is
    /// [`Publisher::publish`] of that service.
    ///
    /// Fails with `failed_precondition` in a context that no service made.
    pub fn publish<K: ToTopic>(&self, topic: K, event: K::Message) -> Publish<K::Message> {
        match self.belonging::<Publisher>() {
            Some(publisher) => publisher.publish(self, topic, event),
            None => Publish::new(Err(no_service(topic.topic_name())), self, topic.topic_name(), event),
        }
    }
}

/// Publishes many events, a few hundred of them at the same time, and returns how many there were.
pub(super) async fn bulk<M: Message, R: Send + 'static>(
    mut events: impl Iterator<Item = Publish<M, R>>,
) -> Result<usize> {
    let mut under_way = FuturesUnordered::new();
    let (mut taken, mut failed) = (0_usize, None);
    loop {
        while failed.is_none() && under_way.len() < WINDOW {
            let Some(publish) = events.next() else { break };
            under_way.push(publish.send());
        }
        match under_way.next().await {
            Some(Ok(_)) => taken += 1,
            Some(Err(error)) => failed = failed.or(Some(error)),
            None => break,
        }
    }
    match failed {
        None => Ok(taken),
        Some(error) => Err(stopped(error, taken)),
    }
}

#[cold]
fn stopped(error: Error, taken: usize) -> Error {
    let message = format!("after {taken} events that were taken: {}", error.message());
    Error::new(error.code(), message).with_source(error)
}

#[cold]
fn no_service(topic: &str) -> Error {
    Error::failed_precondition(format!(
        "the event for `{topic}` was not published: this context serves no call of a service; publish with \
         `service.publisher()` or `client.publisher()`"
    ))
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opened = self.0.opened.get();
        f.debug_struct("Publisher")
            .field("broker", &opened.map(|opened| &opened.broker))
            .finish_non_exhaustive()
    }
}

//! At least once: a stream of JetStream for the topic, and a consumer for the group.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::DeliverPolicy;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_trait::async_trait;
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::super::{Acknowledge, Delivery, SubscribeOptions, Subscription, is_dead_letter};
use super::message;
use crate::error::{Error, Result};
use crate::nats::api::Captured;
use crate::nats::consumer::{Consumer, durable, settings};
use crate::nats::link::Link;
use crate::nats::name::escaped;
use crate::nats::pull::{Before, Make, Puller};
use crate::nats::taken::Taken;

/// What the names of our streams begin with.
const PREFIX: &str = "MICRO_";

/// The consumer that all share who take from a queue.
const QUEUE: &str = "micro";

/// How long a stream remembers ids.
const DUPLICATES: Duration = Duration::from_secs(120);

/// A subscription is not forgotten sooner, however short events are kept: with all hands full it asks for none.
const SHORTEST_ABSENCE: Duration = Duration::from_secs(60 * 60);

/// The pause before an event is delivered again that could neither be handled nor be kept as a dead letter.
const REFUSED: Duration = Duration::from_secs(10);

/// What streams and consumers are made with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    pub(super) max_age: Duration,
    pub(super) max_bytes: Option<u64>,
    pub(super) replicas: usize,
    pub(super) ack_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 60 * 60);
        Self { max_age: day * 7, max_bytes: None, replicas: 1, ack_wait: Duration::from_secs(30) }
    }
}

/// A stream that has a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stream {
    pub(super) name: String,
    /// It is for this topic alone.
    pub(super) own: bool,
    /// An event goes to one consumer, and stays until then.
    pub(super) queue: bool,
    /// Events stay although nobody wants them.
    pub(super) keeps: bool,
    pub(super) consumers: usize,
    /// The number of its last event.
    last: u64,
}

/// Makes sure of a stream for a topic. One that is there is used as it is.
pub(super) async fn stream(link: &Link, topic: &str, limits: &Limits) -> Result<Stream> {
    for _ in 0..3 {
        match link.stream_of(topic).await? {
            Captured::By(name) => {
                let Some(info) = link.stream(&name).await? else { continue };
                return Ok(Stream {
                    own: name == escaped(PREFIX, topic)?,
                    name,
                    queue: info.config.retention == RetentionPolicy::WorkQueue,
                    keeps: info.config.retention != RetentionPolicy::Interest,
                    consumers: info.state.consumer_count,
                    last: info.state.last_sequence,
                });
            }
            Captured::Nobody => link.make_stream(&config(topic, limits)?).await?,
            Captured::Off => return Err(link.off()),
        }
    }
    Err(Error::unavailable(format!(
        "NATS at {} has a stream for the topic `{topic}`, and then it has none: somebody deletes it",
        link.servers
    )))
}

/// The stream that we make for a topic.
///
/// Events of a topic go when all groups have handled them; dead letters when somebody took them. When it is full it refuses
/// new ones, and does not drop old ones, which somebody waits for.
fn config(topic: &str, limits: &Limits) -> Result<Config> {
    let dead = is_dead_letter(topic);
    Ok(Config {
        name: escaped(PREFIX, topic)?,
        subjects: vec![topic.to_owned()],
        description: Some(format!("events of the topic {topic}")),
        retention: if dead { RetentionPolicy::WorkQueue } else { RetentionPolicy::Interest },
        storage: StorageType::File,
        discard: DiscardPolicy::New,
        max_age: if dead { Duration::ZERO } else { limits.max_age },
        max_bytes: limits.max_bytes.map_or(-1, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX)),
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        num_replicas: limits.replicas,
        // It cannot remember longer than it keeps.
        duplicate_window: if dead { DUPLICATES } else { DUPLICATES.min(limits.max_age) },
        ..Config::default()
    })
}

/// The consumer of a subscription.
async fn consumer(
    link: &Link,
    options: &SubscribeOptions,
    own: &str,
    limits: &Limits,
    before: Before,
) -> Result<Consumer> {
    let SubscribeOptions { topic, group, ordered, .. } = options;
    let stream = stream(link, topic, limits).await?;
    let mut config = match (stream.queue, group) {
        (true, _) => durable(settings(QUEUE, topic, *ordered)),
        // A stream of somebody else may have many topics.
        (false, Some(group)) if !stream.own => {
            durable(settings(&escaped("", &format!("{group}:{topic}"))?, topic, *ordered))
        }
        (false, Some(group)) => durable(settings(&escaped("", group)?, topic, *ordered)),
        (false, None) => settings(own, topic, *ordered),
    };
    config.ack_wait = limits.ack_wait;
    // A group that is gone for good must not keep events for ever.
    config.inactive_threshold = match (stream.queue, group) {
        (true, _) => Duration::ZERO,
        (false, Some(_)) => limits.max_age.max(SHORTEST_ABSENCE),
        (false, None) => SHORTEST_ABSENCE,
    };
    // The stream was deleted as well, and counts from the beginning.
    let anew = matches!(before, Before::Last(Some(last)) if last > stream.last);
    config.deliver_policy = match before {
        _ if stream.queue || anew => DeliverPolicy::All,
        // The consumer was deleted.
        Before::Last(Some(last)) => DeliverPolicy::ByStartSequence { start_sequence: last.saturating_add(1) },
        Before::Nothing | Before::Last(None) => DeliverPolicy::New,
    };
    Ok(Consumer { anew, ..link.consumer(&stream.name, config).await? })
}

/// A subscription to a stream.
#[derive(Debug)]
pub(super) struct Stored {
    puller: Puller,
    /// Each event is acknowledged before it is delivered.
    at_most_once: bool,
}

impl Stored {
    /// Begins. When this returns, the server keeps events for it.
    pub(super) async fn begin(
        link: Arc<Link>,
        options: SubscribeOptions,
        limits: Limits,
        at_most_once: bool,
    ) -> Result<Self> {
        let (in_hand, ack_wait) = (options.in_hand, limits.ack_wait);
        let own = format!("micro-{}", Uuid::new_v4().simple());
        let make: Make = {
            let link = Arc::downgrade(&link);
            let shared = Arc::new((options, limits, own));
            Box::new(move |before| {
                let (link, shared) = (link.clone(), shared.clone());
                async move {
                    let (options, limits, own) = &*shared;
                    match link.upgrade() {
                        Some(link) => consumer(&link, options, own, limits, before).await.map(Some),
                        None => Err(Error::unavailable("the connection to NATS was closed")),
                    }
                }
                .boxed()
            })
        };
        Ok(Self { puller: Puller::begin(link, make, in_hand, ack_wait).await?, at_most_once })
    }
}

#[async_trait]
impl Subscription for Stored {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let pulled = self.puller.next().await?;
            let envelope = message::read(&pulled.payload, pulled.headers.as_ref());
            if !self.at_most_once {
                return Some(Delivery::new(envelope, pulled.taken).again(pulled.attempts_before));
            }
            if pulled.taken.ack().await.is_ok() {
                return Some(Delivery::at_most_once(envelope));
            }
        }
    }

    async fn end(&mut self) -> Result<()> {
        self.puller.end().await;
        Ok(())
    }
}

#[async_trait]
impl Acknowledge for Taken {
    async fn ack(self: Box<Self>) -> Result<()> {
        (*self).ack().await
    }

    async fn refuse(self: Box<Self>, _error: &Error) {
        (*self).give_back(REFUSED);
    }

    async fn give_back(self: Box<Self>, after: Duration) {
        (*self).give_back(after);
    }

    async fn extend(&self) {
        Self::extend(self).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_has_a_stream_that_refuses_what_is_too_much_and_dead_letters_stay_until_they_are_taken()
    -> Result<()> {
        let limits = Limits { max_bytes: Some(1 << 20), replicas: 3, ..Limits::default() };
        let made = config("orders.created", &limits)?;
        assert_eq!(
            (&*made.name, &*made.subjects),
            ("MICRO_orders_created", &["orders.created".to_owned()][..])
        );
        assert_eq!((made.retention, made.discard), (RetentionPolicy::Interest, DiscardPolicy::New));
        assert_eq!((made.max_age, made.max_bytes, made.num_replicas), (limits.max_age, 1 << 20, 3));
        let dead = config("orders.created.dead-letter", &limits)?;
        assert_eq!((dead.retention, dead.max_age), (RetentionPolicy::WorkQueue, Duration::ZERO));
        Ok(())
    }
}

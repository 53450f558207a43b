use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::FutureExt as _;

use super::arrival;
use super::consumer::OfLog;
use super::publisher::bulk;
use super::subscribe::{Subscribe, Supply};
use super::via::Via;
use super::{Event, Publish, ToTopic};
use crate::codec::{Codec, Codecs, SerdeCodec};
use crate::context::Context;
use crate::error::Result;
use crate::events::{ConsumeOptions, EventLog, Start};
use crate::metrics::Metrics;

/// Events with a type that are kept: publishing them to a [log](crate::events), consuming them, and reading them
/// again. Clones share the log.
///
/// ```
/// use micro_runtime::events::{Memory, Start};
/// use micro_runtime::messaging::Log;
/// use micro_runtime::{Context, Event, Result, Topic};
///
/// const ORDERED: Topic<String> = Topic::new("ordered");
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let (log, ctx) = (Log::new(Memory::new()), Context::new());
/// let first = log.publish(&ctx, ORDERED, "a book".to_owned()).await?;
/// log.publish(&ctx, ORDERED, "a lamp".to_owned()).await?;
///
/// // A group begins where it is told to, and goes on where it stopped.
/// let mut invoices = log.consume(ORDERED).group("invoices").start(Start::Oldest).events().await?;
/// let received = invoices.next().await.unwrap();
/// assert_eq!((received.payload.as_str(), received.offset()), ("a book", Some(first)));
/// received.ack();
///
/// // What happened can be looked at again.
/// let all = log.read(ORDERED, Start::Oldest, 100).await?;
/// assert_eq!(all.len(), 2);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Log {
    log: Arc<dyn EventLog>,
    via: Arc<Via<u64>>,
}

impl Log {
    /// Publishes to this log, and consumes it.
    pub fn new(log: impl EventLog) -> Self {
        Self::with(Arc::new(log), Codecs::default(), "micro", Metrics::off())
    }

    fn with(log: Arc<dyn EventLog>, codecs: Codecs, source: &str, metrics: Metrics) -> Self {
        let (name, to) = (format!("the log `{}`", log.name()), log.clone());
        let via = Via::new(name, codecs, source, metrics, move |topic, envelope| {
            let to = to.clone();
            async move { to.publish(&topic, envelope).await }.boxed()
        });
        Self { log, via: Arc::new(via) }
    }

    /// The same where this is who publishes, as the events say of themselves (`ce-source`); `micro` unless set.
    #[must_use]
    pub fn source(self, source: &str) -> Self {
        Self::with(self.log, self.via.codecs.clone(), source, self.via.metrics.clone())
    }

    /// The same, counting here; nowhere unless set.
    #[must_use]
    pub fn metrics(self, metrics: Metrics) -> Self {
        Self::with(self.log, self.via.codecs.clone(), &self.via.source, metrics)
    }

    /// The same with a further encoding, for all serde messages.
    #[must_use]
    pub fn codec(self, codec: impl SerdeCodec) -> Self {
        let mut codecs = self.via.codecs.clone();
        codecs.add(Codec::custom(codec));
        Self::with(self.log, codecs, &self.via.source, self.via.metrics.clone())
    }

    /// Publishes an event, when what is returned is awaited, and returns its offset. The methods of what is returned are
    /// the options.
    ///
    /// `Ok` says that the event is kept. After `unavailable` and `deadline_exceeded` nobody knows whether it is.
    pub fn publish<K: ToTopic>(
        &self,
        ctx: &Context,
        topic: K,
        event: K::Message,
    ) -> Publish<K::Message, u64> {
        Publish::new(Ok(self.via.clone()), ctx, topic.topic_name(), event)
    }

    /// Publishes an event at this time, or soon after; nobody sees it before. Fails with `failed_precondition` where
    /// the log [cannot do that](crate::events::Abilities::delays).
    pub fn publish_at<K: ToTopic>(
        &self,
        ctx: &Context,
        topic: K,
        event: K::Message,
        at: SystemTime,
    ) -> Publish<K::Message> {
        let to = self.log.clone();
        let via = self.via.handing(move |topic, envelope| {
            let to = to.clone();
            async move { to.publish_at(&topic, envelope, at).await }.boxed()
        });
        Publish::new(Ok(Arc::new(via)), ctx, topic.topic_name(), event)
    }

    /// Publishes many events, a few hundred of them at the same time, and returns how many there were. It is
    /// [`Publisher::publish_all`](super::Publisher::publish_all) for a log.
    pub async fn publish_all<K: ToTopic>(
        &self,
        ctx: &Context,
        topic: K,
        events: impl IntoIterator<Item = K::Message>,
    ) -> Result<usize> {
        let publish = |event| Publish::new(Ok(self.via.clone()), ctx, topic.topic_name(), event);
        bulk(events.into_iter().map(publish)).await
    }

    /// Consumes a topic, when one of the last methods of what is returned is awaited; its other methods are the options.
    ///
    /// An event that is not handled is tried again, and in the end it is a dead letter in the topic
    /// `<topic>.dead-letter` of the same log.
    pub fn consume<K: ToTopic>(&self, topic: K) -> Subscribe<K::Message, ConsumeOptions> {
        let log = self.log.clone();
        let from = Supply {
            name: log.name(),
            codecs: self.via.codecs.clone(),
            metrics: self.via.metrics.clone(),
            source: Box::new(move |options| Box::new(OfLog { log, options })),
        };
        Subscribe::new(Ok(from), ConsumeOptions::new(topic.topic_name()))
    }

    /// The events from there on, at the most `limit`: to look at them, with nothing acknowledged. An empty answer is the
    /// end.
    ///
    /// Fails with `invalid_argument` for an event that cannot be decoded; [`EventLog::read`] has its bytes.
    pub async fn read<K: ToTopic>(
        &self,
        topic: K,
        start: Start,
        limit: usize,
    ) -> Result<Vec<Event<K::Message>>> {
        let name: Arc<str> = topic.topic_name().into();
        let stored = self.log.read(&name, start, limit).await?;
        stored.into_iter().map(|stored| arrival::stored(stored, &name, &self.via.codecs)).collect()
    }

    /// The log, for what has no type: its retention, its groups.
    pub fn log(&self) -> &Arc<dyn EventLog> {
        &self.log
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("log", &self.log).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backoff::Backoff;
    use crate::error::{Code, Error};
    use crate::event::Topic;
    use crate::events::Memory;
    use crate::messaging::dead_letter;

    const ORDERED: Topic<String> = Topic::new("ordered");
    const DEAD: Topic<String> = Topic::new("ordered.dead-letter");
    const QUICK: Backoff = Backoff::new(Duration::from_millis(1), Duration::from_millis(5));

    async fn order(log: &Log, what: &str) -> u64 {
        log.publish(&Context::new(), ORDERED, what.to_owned()).key("ada").await.unwrap()
    }

    #[tokio::test]
    async fn a_group_goes_on_where_it_stopped() {
        let log = Log::new(Memory::new()).source("shop");
        let offsets = [order(&log, "a book").await, order(&log, "a lamp").await];
        assert!(offsets[0] < offsets[1]);
        let consume = || log.consume(ORDERED).group("invoices").start(Start::Oldest).concurrency(1).events();
        for (offset, what) in offsets.into_iter().zip(["a book", "a lamp"]) {
            let mut events = consume().await.unwrap();
            let received = events.next().await.unwrap();
            assert_eq!((received.payload.as_str(), received.offset()), (what, Some(offset)));
            assert_eq!((received.attempt(), received.key()), (1, Some("ada")));
            assert_eq!(received.headers().get("ce-source"), Some("shop"));
            received.ack();
            assert_eq!(events.stop().await, 0);
        }
        assert_eq!(log.log().groups("ordered").await.unwrap()[0].lag, 0);
    }

    #[tokio::test]
    async fn what_cannot_be_handled_is_a_dead_letter_of_the_same_log() {
        let log = Log::new(Memory::new());
        let _consumer = log
            .consume(ORDERED)
            .attempts(2)
            .backoff(QUICK)
            .each(|_, _| async { Err(Error::not_found("no such book")) })
            .await
            .unwrap();
        let mut dead = log.consume(DEAD).start(Start::Oldest).events().await.unwrap();
        order(&log, "a book").await;
        let letter = dead.next().await.unwrap();
        assert_eq!(letter.payload, "a book");
        assert_eq!(letter.headers().get(dead_letter::ATTEMPTS), Some("2"));
        letter.ack();
    }

    #[tokio::test]
    async fn what_happened_can_be_looked_at_without_consuming_it() {
        let log = Log::new(Memory::new());
        let taken = log.publish_all(&Context::new(), ORDERED, (0..300).map(|n| n.to_string())).await.unwrap();
        assert_eq!(taken, 300);
        let events = log.read(ORDERED, Start::Oldest, 2).await.unwrap();
        let offsets: Vec<_> = events.iter().map(|event| event.offset().unwrap()).collect();
        let next = log.read(&ORDERED, Start::Offset(offsets[1] + 1), 1000).await.unwrap();
        assert_eq!((events.len(), next.len()), (2, 298));
        log.log().publish("ordered", crate::broker::Envelope::new("no JSON")).await.unwrap();
        let error = log.read(ORDERED, Start::Oldest, 1000).await.unwrap_err();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.message().contains("`ordered`"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_for_later_is_seen_by_nobody_before() {
        let log = Log::new(Memory::new());
        let at = SystemTime::now() + Duration::from_secs(60);
        log.publish_at(&Context::new(), ORDERED, "a book".to_owned(), at).await.unwrap();
        assert!(log.read(ORDERED, Start::Oldest, 1).await.unwrap().is_empty());
        let mut events = log.consume(ORDERED).start(Start::Oldest).events().await.unwrap();
        assert_eq!(events.next().await.unwrap().payload, "a book");
    }
}

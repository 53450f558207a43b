//! Events over NATS: as go-micro's programs send them, and with JetStream kept until they were handled.

mod listen;
mod message;
mod stored;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::HeaderMap;
use async_trait::async_trait;
use tokio::sync::Mutex;

use self::listen::Listener;
use self::stored::{Limits, Stored};
use super::check::check_headers;
use super::{
    Abilities, Broker, Envelope, Guarantee, SubscribeOptions, Subscription, envelope_json, is_dead_letter,
};
use crate::error::{Error, Result};
use crate::nats::Settings;
use crate::nats::link::Link;
use crate::nats::name::{check_group, check_topic};
use crate::nats::send::{Ways, store};

/// What to do where there is no server.
const ADVICE: &str =
    "Start it, say where it is with MICRO_BROKER_ADDRESS, or choose another broker with MICRO_BROKER";

/// Events over a NATS server, in go-micro's format: Go and Rust programs understand each other.
///
/// A topic is a subject. What is published to it goes to whoever subscribes, in Go or in Rust, with JetStream or without.
///
/// * **At most once** is NATS as it is: a subscription, and a queue group where there is a group. Who is not there gets
///   nothing. A subscriber that is slow has up to 65,536 events and 64 MiB waiting; what comes on top is dropped,
///   logged, and [counted](Nats::dropped).
/// * **At least once** needs JetStream (`nats-server -js`), from version 2.9 on. The first subscriber makes a stream for the
///   topic, `MICRO_` and the topic with underscores for dots; a stream of yours that has the subject is used as it is.
///   Each group has a consumer in it, and a subscription without a group has one of its own, which is
///   forgotten an hour after it last asked: when its process is gone, or when it had all hands full for as long. The server keeps an event, on its
///   disk, until each of them has acknowledged it, and seven days at the most, unless [that is changed](Nats::max_age). A group that was not there
///   for as long is forgotten. An event that is neither acknowledged nor extended for 30 seconds
///   ([`ack_wait`](Nats::ack_wait)), because its process is gone, goes to another member.
/// * **Publishing** returns when the stream has the event. Where no stream has the topic it returns when the server has
///   it. It is sent again when the connection is lost, and stored once. One that is published twice is stored twice,
///   unless [ids are looked at](Nats::deduplicate). A stream that is full refuses (`resource_exhausted`), and drops nothing.
/// * **In order** means, for a group, one event at a time for all of its members, whatever its key: correct, and slow.
///   Without a group and at most once it is one event at a time as well.
/// * **Dead letters** are a queue of their own: a stream which keeps them until somebody takes them.
/// * A server that is killed and started again has lost nothing that it confirmed. In the meantime
///   subscriptions wait, and publishing fails (`unavailable`) after some seconds. When the machine of the server loses its power, what it did not
///   yet write to its disk is lost, unless there are [`replicas`](Nats::replicas): that is how JetStream is made.
/// * An event has up to the payload limit of the server, 1 MiB unless it is changed. Its body is carried in base64, so about 768 KiB of
///   body fit.
///
/// Subjects with `*` or `>` are no topics. Messages of programs that do not use go-micro's format are delivered with the payload
/// as the body and the headers of NATS.
///
/// Clones are the same broker. Constructing it connects to nothing.
#[derive(Clone, Debug)]
pub struct Nats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    choices: Choices,
    link: Mutex<Option<Arc<Link>>>,
    ways: Ways,
    dropped: Arc<AtomicU64>,
    closed: AtomicBool,
}

/// What is chosen when it is made.
#[derive(Clone, Debug)]
struct Choices {
    settings: Settings,
    limits: Limits,
    deduplicate: bool,
}

impl Nats {
    /// Where a server is looked for unless somebody says where it is.
    pub const DEFAULT_ADDRESS: &str = "nats://127.0.0.1:4222";

    /// The server at 127.0.0.1:4222.
    pub fn new() -> Self {
        Self::to(Settings::parse(Self::DEFAULT_ADDRESS).unwrap_or_default())
    }

    /// These servers, which are of one cluster, with commas between them: `nats://host:4222`, or `host`; with TLS, `tls://host`.
    ///
    /// With `nats://user:password@host` or `nats://token@host` it says who it is, to all of them. An address that
    /// cannot be one is `invalid_argument`; the error does not show what is before the `@`.
    ///
    /// ```
    /// use micro_runtime::broker::Nats;
    ///
    /// let broker = Nats::parse("nats://nats-1:4222,nats://nats-2:4222")?.replicas(3);
    /// # Ok::<(), micro_runtime::Error>(())
    /// ```
    pub fn parse(addresses: &str) -> Result<Self> {
        Settings::parse(addresses).map(Self::to)
    }

    /// Says who it is with this file, as `nsc` writes them (`.creds`). It is read
    /// whenever a connection is made, also one that was lost, so it can be renewed in its place.
    pub fn credentials_file(self, path: impl Into<PathBuf>) -> Self {
        self.change(|choices| choices.settings.set_credentials_file(path.into()))
    }

    /// Trusts the certificate authorities in this file, in PEM, beside those of the system.
    pub fn root_certificates(self, path: impl Into<PathBuf>) -> Self {
        self.change(|choices| choices.settings.set_root_certificates(path.into()))
    }

    /// How long a stream that it makes keeps an event that some group has not handled: seven days unless set. A group
    /// is forgotten when none of its members was there for as long. Dead letters stay until they are taken.
    pub fn max_age(self, age: Duration) -> Self {
        self.change(|choices| choices.limits.max_age = age.max(Duration::from_secs(1)))
    }

    /// How many bytes a stream that it makes keeps. It refuses to take more. Unless set there is no limit
    /// but that of the server (`max_file_store`), which reserves this much for each stream.
    pub fn max_bytes(self, bytes: u64) -> Self {
        self.change(|choices| choices.limits.max_bytes = Some(bytes))
    }

    /// On how many servers of a cluster a stream that it makes is kept, 1 to 5: 1 unless set.
    pub fn replicas(self, replicas: usize) -> Self {
        self.change(|choices| choices.limits.replicas = replicas)
    }

    /// How long an event may be in hand without being acknowledged or extended, before another member gets it: 30 seconds
    /// unless set, and at least one. It is that of the member that first had the group.
    pub fn ack_wait(self, time: Duration) -> Self {
        self.change(|choices| choices.limits.ack_wait = time.max(Duration::from_secs(1)))
    }

    /// Stores an event once that is published again to the same topic with the same [id](Envelope::id) within two minutes. Off
    /// unless set, since an event may be published again on purpose: a dead letter whose cause was mended.
    pub fn deduplicate(self) -> Self {
        self.change(|choices| choices.deduplicate = true)
    }

    /// How many events were dropped here because an at-most-once subscriber was slow.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn to(settings: Settings) -> Self {
        Self::with(Choices { settings, limits: Limits::default(), deduplicate: false })
    }

    fn change(self, change: impl FnOnce(&mut Choices)) -> Self {
        let mut choices = self.0.choices.clone();
        change(&mut choices);
        Self::with(choices)
    }

    fn with(choices: Choices) -> Self {
        Self(Arc::new(Inner {
            choices,
            link: Mutex::default(),
            ways: Ways::default(),
            dropped: Arc::default(),
            closed: AtomicBool::new(false),
        }))
    }

    /// The connection, which is made where there is none.
    async fn link(&self) -> Result<Arc<Link>> {
        let mut link = self.0.link.lock().await;
        if self.0.closed.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the broker `nats` was closed"));
        }
        if let Some(link) = link.as_ref().filter(|link| link.is_alive()) {
            return Ok(link.clone());
        }
        let opened = Link::open(&self.0.choices.settings, "micro broker", ADVICE).await?;
        *link = Some(opened.clone());
        Ok(opened)
    }
}

impl Default for Nats {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Broker for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    fn abilities(&self) -> Abilities {
        Abilities::new().at_least_once().ordered().keeps().durable()
    }

    fn ack_wait(&self) -> Option<Duration> {
        Some(self.0.choices.limits.ack_wait)
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<()> {
        check_topic(topic)?;
        check_headers(&envelope.headers)?;
        let link = self.link().await?;
        let id = envelope.id().filter(|_| self.0.choices.deduplicate);
        self.0.ways.publish(&link, topic, id, envelope_json::write(&envelope)).await
    }

    async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()> {
        check_topic(topic)?;
        check_headers(&envelope.headers)?;
        let link = self.link().await?;
        let stream = stored::stream(&link, topic, &self.0.choices.limits).await?;
        // Whether somebody wants this topic of a stream with others is not known, and it would be taken for nobody.
        if !stream.keeps && (stream.consumers == 0 || !stream.own) {
            return Err(Error::failed_precondition(format!(
                "nobody subscribes to the topic `{topic}`, and the stream `{}` of NATS at {} keeps only what somebody wants: \
                 keep events in a topic that ends in `{}`, or make a stream with the retention `limits` for it",
                stream.name,
                link.servers,
                super::DEAD_LETTER
            )));
        }
        // Several groups may keep the same event, so its id does not tell them apart.
        match store(&link, topic, None, HeaderMap::new(), envelope_json::write(&envelope)).await? {
            Some(_) => Ok(()),
            None => Err(Error::unavailable(format!(
                "the stream `{}` of NATS at {} does not answer",
                stream.name, link.servers
            ))),
        }
    }

    async fn subscribe(&self, options: SubscribeOptions) -> Result<Box<dyn Subscription>> {
        check_topic(&options.topic)?;
        options.group.as_deref().map_or(Ok(()), check_group)?;
        let link = self.link().await?;
        let once = options.guarantee == Guarantee::AtMostOnce;
        if !once || is_dead_letter(&options.topic) {
            let (topic, limits) = (options.topic.clone(), self.0.choices.limits.clone());
            match Stored::begin(link.clone(), options.clone(), limits, once).await {
                Ok(stored) => {
                    self.0.ways.is_stream(&topic);
                    return Ok(Box::new(stored));
                }
                // Without JetStream nothing is kept, so nothing is missed.
                Err(error) if once && error.code() == crate::Code::FailedPrecondition => {}
                Err(error) => return Err(error),
            }
        }
        if options.ordered && options.group.is_some() {
            return Err(Error::failed_precondition(
                "NATS gives the events of a group to any of its members, so at most once they are in no order: ask for \
                 at-least-once, or leave the group away",
            ));
        }
        Ok(Box::new(Listener::begin(link, options, self.0.dropped.clone()).await?))
    }

    async fn close(&self) -> Result<()> {
        let link = {
            let mut link = self.0.link.lock().await;
            self.0.closed.store(true, Ordering::Relaxed);
            link.take()
        };
        if let Some(link) = link {
            link.close().await;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_nats_cannot_carry_is_refused_before_anybody_is_asked() -> Result<()> {
        let broker = Nats::parse("nats://127.0.0.1:1")?;
        for topic in ["", "a b", "orders.*", "orders..created"] {
            let publish = broker.publish(topic, Envelope::new("x")).await.expect_err("no topic");
            assert_eq!(publish.code(), crate::Code::InvalidArgument, "{publish}");
            let subscribed = broker.subscribe(SubscribeOptions::new(topic)).await;
            assert_eq!(subscribed.err().map(|error| error.code()), Some(crate::Code::InvalidArgument));
        }
        let group = broker.subscribe(SubscribeOptions::new("orders").group("a b")).await;
        assert!(group.err().is_some_and(|error| error.message().contains("group")));
        Ok(())
    }

    #[test]
    fn settings_show_no_secrets() -> Result<()> {
        let broker = Nats::parse("nats://ada:secret@a")?.ack_wait(Duration::from_secs(5)).replicas(3);
        assert!(!format!("{broker:?}").contains("secret"));
        Ok(())
    }
}

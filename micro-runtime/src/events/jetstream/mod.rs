//! Events in the streams of JetStream.

mod consume;
mod groups;
mod message;
mod read;
mod stream;

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::consume::Consuming;
use self::stream::Streams;
use super::{Abilities, ConsumeOptions, EventLog, GroupStatus, Retention, Start, Stored};
use crate::broker::{Envelope, Subscription};
use crate::error::{Error, Result};
use crate::nats::Settings;
use crate::nats::link::Link;

/// What to do where there is no server.
const ADVICE: &str =
    "Start it, say where it is with MICRO_EVENTS_ADDRESS, or choose another log with MICRO_EVENTS";

/// A log of events in the streams of a NATS server with JetStream (`nats-server -js`), from version 2.9 on.
///
/// Each topic is a stream, `EVENTS_` and the topic with underscores for dots, whose subject is `micro.events.` and the same name. What a
/// [broker over NATS](crate::broker::Nats) carries is apart from it.
///
/// * An offset is the number of the event in its stream: the first one is 1, and where the stream was told to forget some, there are
///   gaps.
/// * A group is a durable consumer. It stays until it is [deleted](EventLog::delete_group), which ends its members.
/// * `Ok` of publishing is the confirmation of the stream. When the connection is lost before it comes, the event is
///   sent again, and stored once.
/// * *In order* is one event at a time for all members of a group, whatever its key: correct, and slow.
/// * It cannot publish for a later time, nor several events as one.
/// * A server that is killed and started again has lost nothing that it confirmed. When its machine loses its power, what it did not
///   yet write to its disk is lost, unless there are [`replicas`](JetStream::replicas).
/// * An event has up to the payload limit of the server, 1 MiB unless it is changed. Headers are those of NATS, and the body is the
///   payload, so other programs can read it.
/// * [`GroupStatus::missed`] is always 0: the server does not say it. [`GroupStatus::in_hand`] counts what was given back and will
///   be delivered again as well.
///
/// Clones are the same log. Constructing it connects to nothing.
#[derive(Clone, Debug)]
pub struct JetStream(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    choices: Choices,
    link: Mutex<Option<Arc<Link>>>,
    streams: Streams,
    closed: AtomicBool,
}

/// What is chosen when it is made.
#[derive(Clone, Debug)]
struct Choices {
    settings: Settings,
    replicas: usize,
    deduplicate: bool,
}

impl JetStream {
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
    /// use micro_runtime::events::JetStream;
    ///
    /// let log = JetStream::parse("nats://nats-1:4222,nats://nats-2:4222")?.replicas(3);
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

    /// On how many servers of a cluster a stream that it makes is kept, 1 to 5: 1 unless set.
    pub fn replicas(self, replicas: usize) -> Self {
        self.change(|choices| choices.replicas = replicas)
    }

    /// Stores an event once that is published again to the same topic with the same [id](Envelope::id) within two minutes, and
    /// returns the offset that it had. Off unless set.
    pub fn deduplicate(self) -> Self {
        self.change(|choices| choices.deduplicate = true)
    }

    fn to(settings: Settings) -> Self {
        Self::with(Choices { settings, replicas: 1, deduplicate: false })
    }

    fn change(self, change: impl FnOnce(&mut Choices)) -> Self {
        let mut choices = self.0.choices.clone();
        change(&mut choices);
        Self::with(choices)
    }

    fn with(choices: Choices) -> Self {
        let streams = Streams::new(choices.replicas);
        Self(Arc::new(Inner { choices, link: Mutex::default(), streams, closed: AtomicBool::new(false) }))
    }

    /// The connection, which is made where there is none.
    async fn link(&self) -> Result<Arc<Link>> {
        let mut link = self.0.link.lock().await;
        if self.0.closed.load(Ordering::Relaxed) {
            return Err(Error::unavailable("the log `jetstream` was closed"));
        }
        if let Some(link) = link.as_ref().filter(|link| link.is_alive()) {
            return Ok(link.clone());
        }
        let opened = Link::open(&self.0.choices.settings, "micro events", ADVICE).await?;
        *link = Some(opened.clone());
        Ok(opened)
    }
}

impl Default for JetStream {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl EventLog for JetStream {
    fn name(&self) -> &'static str {
        "jetstream"
    }

    fn abilities(&self) -> Abilities {
        Abilities::new().durable().shared().ordered()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<u64> {
        super::limits::check_topic(topic)?;
        super::limits::check_event(topic, &envelope)?;
        let link = self.link().await?;
        let id = envelope.id().filter(|_| self.0.choices.deduplicate);
        let (headers, payload) = message::write(&envelope);
        self.0.streams.publish(&link, topic, id, headers, payload).await
    }

    async fn publish_all(&self, topic: &str, envelopes: Vec<Envelope>) -> Result<Range<u64>> {
        let mut envelopes = envelopes.into_iter();
        match (envelopes.next(), envelopes.next()) {
            (None, _) => {
                super::limits::check_topic(topic)?;
                Ok(0..0)
            }
            (Some(envelope), None) => {
                let offset = self.publish(topic, envelope).await?;
                Ok(offset..offset + 1)
            }
            (Some(_), Some(_)) => Err(Error::failed_precondition(
                "the log `jetstream` cannot publish several events as one: publish them one after the other",
            )),
        }
    }

    async fn publish_at(&self, topic: &str, envelope: Envelope, at: SystemTime) -> Result<()> {
        if at <= SystemTime::now() {
            return self.publish(topic, envelope).await.map(drop);
        }
        Err(Error::failed_precondition(
            "the log `jetstream` cannot publish an event for a later time: publish it when the time has come, or take the log \
             `file`",
        ))
    }

    async fn consume(&self, options: ConsumeOptions) -> Result<Box<dyn Subscription>> {
        super::limits::check_topic(&options.topic)?;
        options.group.as_deref().map_or(Ok(()), super::limits::check_group)?;
        let link = self.link().await?;
        Ok(Box::new(Consuming::begin(link, self.0.choices.replicas, options).await?))
    }

    async fn read(&self, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>> {
        super::limits::check_topic(topic)?;
        let link = self.link().await?;
        read::read(&link, topic, start, limit).await
    }

    async fn set_retention(&self, topic: &str, retention: Retention) -> Result<()> {
        super::limits::check_topic(topic)?;
        let link = self.link().await?;
        self.0.streams.retain(&link, topic, retention).await
    }

    async fn groups(&self, topic: &str) -> Result<Vec<GroupStatus>> {
        super::limits::check_topic(topic)?;
        let link = self.link().await?;
        groups::groups(&link, topic).await
    }

    async fn delete_group(&self, topic: &str, group: &str) -> Result<()> {
        super::limits::check_topic(topic)?;
        super::limits::check_group(group)?;
        let link = self.link().await?;
        link.delete_consumer(&stream::name(topic)?, &groups::name(group)?).await
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

//! Events over RabbitMQ, in go-micro's format.

mod acknowledge;
mod address;
mod fault;
mod link;
mod message;
mod names;
mod publisher;
mod settings;
mod subscription;
mod topology;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use self::address::Servers;
use self::link::Link;
use self::names::check_topic;
use self::publisher::Publisher;
use self::settings::Settings;
use self::subscription::Consuming;
use super::{Abilities, Broker, Envelope, SubscribeOptions, Subscription};
use crate::error::Result;

/// Events over a RabbitMQ server or cluster, tried with 3.10. Go and Rust programs that use the same exchange see each other's events.
///
/// **Publishing.** Events go to the exchange `micro`, of the type `topic`, with the topic as the routing key, the
/// body as it is, and headers as strings; that is go-micro's format. They are persistent, and `publish` returns when the server has
/// confirmed the event, which for queues that last means: written to disk. An exchange that is there is used as it is, and
/// else a durable one is made. go-micro makes one that is not durable, unless `DurableExchange` is set: then
/// a restart of the server takes the exchange along, and a group gets nothing that is published before one of its members is
/// connected again; that is logged as a warning.
///
/// **Subscribing.** What queue a subscription has:
///
/// | Group | Guarantee | Queue |
/// |---|---|---|
/// | yes | at least once | `<group>:<topic>`, durable: it lasts until somebody deletes it |
/// | no | at least once | `micro.<uuid>`, durable; it goes with the subscription, or 5 minutes after its process is gone |
/// | yes | at most once | `<group>:<topic>`, which goes with its last member; one that is there with other arguments is used as it is |
/// | no | at most once | one that the server names, and that goes with the connection |
/// | any, of a topic of dead letters | | the name of the topic, durable |
///
/// Those of groups and dead letters are classic queues, as go-micro's are, which a single server keeps through crashes. In a cluster take
/// [`quorum_queues`](Self::quorum_queues), which are replicated and count how often they delivered an event.
///
/// * Events are acknowledged one by one. The server sends as many as may be
///   [in hand](SubscribeOptions::in_hand). For delivery at most once an event is acknowledged before anybody has it.
/// * In order: only one member of a group is active at a time (`x-single-active-consumer`), and it has one event in hand. All members of
///   the group have to ask for that.
/// * A delivery that is dropped keeps its place in the queue, and is delivered again at once. One that is refused rests for 5
///   seconds.
/// * A server closes the channel of a subscriber that has an event for longer than its `consumer_timeout`, 30 minutes unless
///   changed; the event is delivered again then, whatever the handler does. It cannot be extended from here.
/// * Where a lost connection was lost after an event was sent and before it was confirmed, `publish` fails with `unavailable`, and the event may be there or
///   not. It is made again with the next call; subscriptions make theirs with pauses of up to 5 seconds, and declare
///   exchange, queue and binding again.
/// * Two connections are used, one to publish and one to subscribe, since a server that is short of memory or disk stops reading from
///   those that publish. Who publishes waits then.
/// * Up to 64 MiB are on their way to the server; who publishes more waits.
/// * The client library, `lapin`, logs a lost connection as an error of its own, and has a thread for each connection.
///
/// Constructing it connects to nothing. Clones are the same broker.
#[derive(Clone)]
pub struct RabbitMq(Arc<Inner>);

struct Inner {
    publisher: Publisher,
    consumers: Arc<Link>,
    closed: CancellationToken,
}

impl RabbitMq {
    /// Where a server is looked for unless somebody says where it is, and as whom.
    pub const DEFAULT_ADDRESS: &str = "amqp://guest:guest@127.0.0.1:5672";

    /// This server, or these of one cluster, with commas between them: `amqp://user:password@host:5672/vhost`, with TLS
    /// `amqps://…`.
    ///
    /// What is left away is `guest` with the password `guest`, port 5672 (with TLS 5671), and the virtual host `/`.
    /// `?heartbeat=` has the seconds between two signs of life, 10 unless set; a connection without one for twice as long is
    /// lost, and 0 leaves it to the server. In user, password and virtual host, `%2f` stands for `/` and so on.
    ///
    /// An address that cannot be one is `invalid_argument`; the error does not show what is before the `@`.
    ///
    /// ```
    /// use micro_runtime::broker::RabbitMq;
    ///
    /// let broker = RabbitMq::new("amqp://guest:guest@127.0.0.1:5672/%2f")?;
    /// # Ok::<(), micro_runtime::Error>(())
    /// ```
    pub fn new(addresses: &str) -> Result<Self> {
        Ok(Self::with(Settings::new(Servers::parse(addresses)?)))
    }

    /// The exchange that events go through; `micro`, as in go-micro, unless set. It has the type `topic`.
    #[must_use]
    pub fn exchange(self, name: impl Into<String>) -> Self {
        self.change(|settings| settings.exchange = name.into())
    }

    /// Names the queue of a group, from the group and the topic; `<group>:<topic>` unless set.
    ///
    /// go-micro names it like the group alone, so members in both languages share the events of a group with
    /// `queue_names(|group, _| group.to_owned())`, where the Go ones have durable queues
    /// (`DurableQueue`) or the Rust ones ask for delivery at most once. Such a queue mixes all topics that the group subscribes to: a subscription is given
    /// the events of the others as well.
    #[must_use]
    pub fn queue_names(self, names: impl Fn(&str, &str) -> String + Send + Sync + 'static) -> Self {
        self.change(|settings| settings.queue_names = Some(Arc::new(names)))
    }

    /// Takes quorum queues for groups and dead letters in place of classic ones: in a cluster they are replicated, so that the loss of a server
    /// loses no event, and they count how often they delivered one, so that an event which kills its subscribers is
    /// found out. A classic queue only says that it delivered it before.
    ///
    /// They are for clusters of three servers or more, and new ones: RabbitMQ 3.10, which Debian 12 has, may leave a quorum queue without a
    /// leader when its only server was killed and is started again (<https://github.com/rabbitmq/rabbitmq-server/issues/10070>), and who
    /// publishes to it waits.
    #[must_use]
    pub fn quorum_queues(self) -> Self {
        self.change(|settings| settings.quorum_queues = true)
    }

    /// The most events that wait in a queue; any number, unless set.
    ///
    /// Where one that delivers at least once is full, publishing fails with `resource_exhausted`, and other queues of the
    /// topic may have the event nevertheless. Those that deliver at most once lose the oldest one. It cannot be changed for
    /// a queue that is there; a policy of the server can (`rabbitmqctl set_policy`).
    #[must_use]
    pub fn max_length(self, events: u32) -> Self {
        self.change(|settings| settings.max_length = Some(events))
    }

    /// The most bytes in the body of an event that is published; 16 MiB unless set. The server has a limit as well, `max_message_size`: 16 MiB from
    /// RabbitMQ 4.0 on, 128 MiB before.
    #[must_use]
    pub fn max_event_size(self, bytes: usize) -> Self {
        self.change(|settings| settings.max_event_size = bytes)
    }

    /// Trusts the certificate authorities in this file, in PEM, beside those of the system. It is read whenever a
    /// connection is made.
    #[must_use]
    pub fn root_certificates(self, path: impl Into<PathBuf>) -> Self {
        self.change(|settings| settings.root_certificates = Some(path.into()))
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = (*self.0.consumers.settings).clone();
        change(&mut settings);
        Self::with(settings)
    }

    fn with(settings: Settings) -> Self {
        let (settings, closed) = (Arc::new(settings), CancellationToken::new());
        let publisher = Publisher::new(Link::new(settings.clone(), "publishing", closed.clone()));
        let consumers = Arc::new(Link::new(settings, "subscriptions", closed.clone()));
        Self(Arc::new(Inner { publisher, consumers, closed }))
    }
}

#[async_trait]
impl Broker for RabbitMq {
    fn name(&self) -> &'static str {
        "rabbitmq"
    }

    fn abilities(&self) -> Abilities {
        Abilities::new().at_least_once().ordered().keeps().durable()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<()> {
        self.0.publisher.publish(topic, envelope).await
    }

    async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()> {
        self.0.publisher.keep(topic, envelope).await
    }

    async fn subscribe(&self, options: SubscribeOptions) -> Result<Box<dyn Subscription>> {
        check_topic(&options.topic)?;
        Ok(Box::new(Consuming::begin(self.0.consumers.clone(), options).await?))
    }

    async fn close(&self) -> Result<()> {
        // No new connections, and no further events.
        self.0.closed.cancel();
        self.0.publisher.close().await;
        self.0.consumers.close().await;
        Ok(())
    }
}

/// Shows no secrets.
impl fmt::Debug for RabbitMq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RabbitMq").field(&self.0.consumers.settings).finish()
    }
}

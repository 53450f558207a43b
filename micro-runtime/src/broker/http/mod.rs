//! Events over HTTP, from program to program: the default broker, with nothing installed.

mod announced;
mod deliver;
mod listener;
mod lost;
mod post;
mod queue;
mod receive;
mod settings;
mod subscription;
mod targets;
#[cfg(test)]
mod tests;
mod turns;
mod wire;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;

use self::deliver::Posting;
use self::listener::{Listening, Queues};
use self::lost::Lost;
use self::post::Post;
use self::receive::Receiver;
use self::settings::Settings;
use self::targets::Targets;
use self::turns::Turns;
use super::{
    Abilities, Broker, Envelope, SubscribeOptions, Subscription, Surroundings, check, envelope_json,
};
use crate::error::{Error, Result};
use crate::registry::{Discovery, Registry};

/// Events over HTTP, from the publisher straight to those who subscribe, who are found in the registry. The default
/// broker: there is nothing to install, and nothing in between that keeps events.
///
/// * **Publishing** sends the event to each subscription without a group, and to one of each group. It returns `Ok` when
///   all of them have acknowledged it, so whoever publishes waits for the handlers: that is the back-pressure. An event
///   that a subscriber gives back, or lost with its connection, goes to another member of the group, or to the same one after a
///   pause that grows. After 25 s in which nobody had it, publishing fails with `unavailable`, and says where and why. An event
///   whose publisher ends before the `Ok` may be lost with it.
/// * **Subscribing** begins to listen, on a free port of the loopback address unless [`address`](Self::address) says otherwise, and
///   registers the subscription as `micro.http.broker`. Whoever follows the registry elsewhere knows of it when the registry tells,
///   which takes as long as with any service. A broker that only publishes listens nowhere.
/// * **Guarantees**: both. At least once, an event is acknowledged to its publisher. At most once, it is taken into a queue and
///   answered at once, and dropped where the queue is full; [`dropped`](Self::dropped) counts them.
/// * **Order**: events with a key go to the member of an [ordered](SubscribeOptions::ordered) group that the key belongs to, one after
///   the other. While members come and go, publishers that do not know of it at the same moment may send one key to two members.
/// * **Nothing is kept.** Where nobody subscribes, an event is for nobody. There is one exception: a group whose last member
///   did not answer and did not say goodbye is expected to come back for a minute, and publishing waits for it.
/// * **Limits**: an event has 4 MiB at the most, 256 wait for each subscription (and 64 MiB of them), a publisher sends 64 to one subscription at
///   the same time, and a listener has 1024 connections. All but the 64 MiB can be set.
///
/// It is go-micro's http broker as well, in both directions: subscribers of Go programs are found and sent to, and their
/// publishers find ours. A Go program acknowledges an event when its handler has run, whatever became of that, and its publisher does
/// not send again what was not taken. So an event of a Go program that is given back is delivered again by the subscription that
/// had it, for as long as that is there.
///
/// Nobody has to prove who he is: whoever can reach the port and knows the id of a subscription, which is in the registry, can send it events.
///
/// ```
/// use micro_runtime::broker::{Broker, Envelope, Http, SubscribeOptions, Subscription};
/// use micro_runtime::registry::Memory;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro_runtime::Result<()> {
/// let broker = Http::new(Memory::new());
/// let mut greeted = broker.subscribe(SubscribeOptions::new("greeted").group("audit")).await?;
/// let subscriber = tokio::spawn(async move {
///     let delivery = greeted.next().await.expect("the broker is there");
///     assert_eq!(delivery.envelope.body, "Ada");
///     delivery.ack().await
/// });
/// broker.publish("greeted", Envelope::new("Ada")).await?;
/// # subscriber.await.unwrap()
/// # }
/// ```
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    settings: Settings,
    discovery: Discovery,
    targets: Targets,
    post: Post,
    turns: Turns,
    lost: Lost,
    listening: Mutex<Option<Arc<Listening>>>,
    dropped: Arc<AtomicU64>,
    closed: AtomicBool,
}

impl Http {
    /// A broker over this registry, which is not used before the first event or subscription.
    pub fn new(registry: impl Registry) -> Self {
        Self::with_discovery(Discovery::new(Arc::new(registry)))
    }

    /// The same with a view on the registry that others have as well, a client for example.
    pub fn with_discovery(discovery: Discovery) -> Self {
        Self::of(discovery, Settings::default())
    }

    /// Where it listens, as `host:port`: `127.0.0.1:0` unless set, which is any free port for programs on this machine. `0.0.0.0:0`
    /// is every interface. The first subscription fails with `unavailable` where the address is not free.
    #[must_use]
    pub fn address(self, address: impl Into<String>) -> Self {
        self.with(|settings| settings.address = address.into())
    }

    /// The address that others are told, as `host` or `host:port`, where they cannot use the one that it listens on: behind a
    /// translation of addresses, for example. Unless set, the one it listens on, and for every interface the first private address
    /// of this machine.
    #[must_use]
    pub fn advertise(self, address: impl Into<String>) -> Self {
        self.with(|settings| settings.advertise = Some(address.into()).filter(|address| !address.is_empty()))
    }

    /// The largest body of an event, in bytes; 4 MiB unless set. Publishing a larger one fails with `invalid_argument`, and one that
    /// somebody else sends is refused.
    #[must_use]
    pub fn largest_event(self, bytes: NonZeroUsize) -> Self {
        self.with(|settings| settings.largest_event = bytes)
    }

    /// How many events wait for one subscription at the most, beside those in hand; 256 unless set. Publishers of further ones come again.
    #[must_use]
    pub fn waiting(self, events: NonZeroUsize) -> Self {
        self.with(|settings| settings.waiting = events)
    }

    /// How many connections publishers may have to this broker; 1024 unless set. Further ones wait to be accepted.
    #[must_use]
    pub fn connections(self, connections: NonZeroUsize) -> Self {
        self.with(|settings| settings.connections = connections)
    }

    /// How many events are on their way to one subscription at the same time, each on a connection of its own; 64 unless set. Publishing waits
    /// where there are more.
    #[must_use]
    pub fn in_flight(self, events: NonZeroUsize) -> Self {
        self.with(|settings| settings.in_flight = events)
    }

    /// For how long it is tried to deliver an event; 25 s unless set, a little less than a publisher waits. The time in which a subscriber has it does not count.
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.with(|settings| settings.patience = patience)
    }

    /// How long a subscriber may have an event; 10 min unless set. Then it is taken for lost, and is sent again.
    #[must_use]
    pub fn answer_limit(self, limit: Duration) -> Self {
        self.with(|settings| settings.answer_limit = limit)
    }

    /// How many events were dropped that are delivered at most once: as publisher, because their subscriber was not there or had no room; as
    /// subscriber, because there was no room.
    pub fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// One that the environment chose. It listens where it is told; else on every interface where others reach this process by a host, and
    /// on the loopback address where they do not.
    pub(super) fn around(address: Option<&str>, surroundings: &Surroundings) -> Result<Self> {
        let broker = Self::new(surroundings.registry.clone());
        let host = surroundings.host.as_deref().filter(|host| !is_loopback(host));
        match address {
            Some(address) if !has_port(address) => Err(Error::invalid_argument(format!(
                "the http broker cannot listen on `{}`: an address is `host:port`, `127.0.0.1:0` for example, without `http://`",
                address.escape_debug()
            ))),
            Some(address) if is_everywhere(address) => {
                Ok(broker.address(address).advertise(host.unwrap_or_default()))
            }
            Some(address) => Ok(broker.address(address)),
            None => match host {
                Some(host) => Ok(broker.address(":0").advertise(host)),
                None => Ok(broker),
            },
        }
    }

    fn of(discovery: Discovery, settings: Settings) -> Self {
        let in_flight = settings.in_flight.get();
        Self(Arc::new(Shared {
            targets: Targets::new(discovery.clone(), in_flight),
            post: Post::new(in_flight, settings.answer_limit),
            settings,
            discovery,
            turns: Turns::default(),
            lost: Lost::default(),
            listening: Mutex::default(),
            dropped: Arc::default(),
            closed: AtomicBool::new(false),
        }))
    }

    /// One with other settings, which was not used yet.
    fn with(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.0.settings.clone();
        change(&mut settings);
        Self::of(self.0.discovery.clone(), settings)
    }
}

fn has_port(address: &str) -> bool {
    let port = address.rsplit_once(':').filter(|(host, _)| !host.contains(['/', ' ']));
    port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
}

/// Whether it is that of every interface.
fn is_everywhere(address: &str) -> bool {
    address.starts_with(':')
        || address.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified())
}

fn is_loopback(host: &str) -> bool {
    let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { settings, discovery, .. } = &*self.0;
        f.debug_struct("Http")
            .field("registry", &discovery.registry().name())
            .field("settings", settings)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Broker for Http {
    fn name(&self) -> &'static str {
        "http"
    }

    fn abilities(&self) -> Abilities {
        Abilities::new().at_least_once().ordered()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<()> {
        self.0.publish(topic, envelope, false).await
    }

    async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()> {
        self.0.publish(topic, envelope, true).await
    }

    async fn subscribe(&self, options: SubscribeOptions) -> Result<Box<dyn Subscription>> {
        Ok(Box::new(self.0.subscribe(options).await?))
    }

    async fn close(&self) -> Result<()> {
        self.0.closed.store(true, Ordering::Release);
        let listening = self.0.listening.lock().await.take();
        if let Some(listening) = listening {
            listening.close().await;
        }
        Ok(())
    }
}

impl Shared {
    async fn publish(&self, topic: &str, mut envelope: Envelope, must: bool) -> Result<()> {
        self.check_open()?;
        check::check_topic(topic)?;
        check::check_headers(&envelope.headers)?;
        check::check_size(&envelope, self.settings.largest_event.get())?;
        let view = self.targets.ready().await?;
        let is_for_nobody = self.targets.of(&view, topic).is_none() && self.lost.of(topic).is_empty();
        if is_for_nobody && must {
            return Err(Error::failed_precondition(format!(
                "nobody subscribes to `{topic}`, and the http broker keeps nothing: subscribe to it, or use a broker that keeps events"
            )));
        }
        if is_for_nobody {
            tracing::debug!(topic, "nobody subscribes to this topic: the event is for nobody");
            return Ok(());
        }
        envelope.headers.set(Envelope::TOPIC, topic);
        let event = envelope_json::write(&envelope);
        let key = envelope.key();
        Posting { shared: self, view: &view, topic, key, must, event }.deliver().await
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::failed_precondition("the http broker was closed: make another one"));
        }
        Ok(())
    }

    /// The listener, which begins with the first subscription.
    async fn listening(&self) -> Result<Arc<Listening>> {
        let mut listening = self.listening.lock().await;
        self.check_open()?;
        if let Some(listening) = &*listening {
            return Ok(listening.clone());
        }
        let receiver = Receiver {
            queues: Queues::default(),
            largest_event: self.settings.largest_event.get(),
            largest_request: wire::largest_request(self.settings.largest_event),
            dropped: self.dropped.clone(),
        };
        let begun = Arc::new(Listening::new(&self.settings, receiver).await?);
        *listening = Some(begun.clone());
        Ok(begun)
    }

    fn count_dropped(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

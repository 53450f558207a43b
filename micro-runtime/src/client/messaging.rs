//! Events that a client publishes and subscribes to.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::{Client, ClientBuilder};
use crate::broker::{self, Broker};
use crate::codec::Codecs;
use crate::context::Context;
use crate::environment::Environment;
use crate::error::Result;
use crate::event::ToTopic;
use crate::messaging::{Opened, Publish, Publisher, Subscribe};
use crate::metrics::Metrics;
use crate::registry::{self, Discovery, Registry};

/// What is known of the broker before it is needed.
#[derive(Clone, Default)]
pub(super) struct Settings {
    pub(super) broker: Option<Arc<dyn Broker>>,
    /// Who publishes, for the events.
    pub(super) source: Option<Arc<str>>,
    /// The host that a broker which listens is reached at from elsewhere.
    pub(super) host: Option<String>,
}

impl Settings {
    pub(super) fn open(
        &self,
        environment: &Environment,
        discovery: Option<&Discovery>,
        codecs: &Codecs,
        metrics: &Metrics,
    ) -> Result<Opened> {
        let broker = match &self.broker {
            Some(broker) => broker.clone(),
            None => {
                let registry: Arc<dyn Registry> = match discovery {
                    Some(discovery) => discovery.registry().clone(),
                    None => registry::from_environment(environment)?,
                };
                let surroundings = broker::Surroundings { registry, host: self.host.clone() };
                broker::from_environment(environment, &surroundings)?
            }
        };
        let source = self.source.as_deref().unwrap_or("micro");
        Ok(Opened::new(broker, codecs.clone(), source, metrics.clone()))
    }
}

/// The broker, which is opened when it is first needed: once, however many ask at the same time.
pub(super) struct Lazy {
    settings: Settings,
    environment: Environment,
    opened: OnceLock<Opened>,
    opening: Mutex<()>,
}

impl Lazy {
    pub(super) fn new(settings: Settings, environment: Environment) -> Self {
        Self { settings, environment, opened: Default::default(), opening: Default::default() }
    }

    pub(super) fn get(
        &self,
        discovery: Option<&Discovery>,
        codecs: &Codecs,
        metrics: &Metrics,
    ) -> Result<&Opened> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let _one = self.opening.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let opened = self.settings.open(&self.environment, discovery, codecs, metrics)?;
        Ok(self.opened.get_or_init(|| opened))
    }
}

impl Client {
    /// What publishes events, and subscribes to them. It is cheap, and asks for the broker when it is first needed.
    pub fn publisher(&self) -> Publisher {
        let client = self.clone();
        Publisher::lazy(move || client.core()?.messaging().cloned())
    }

    /// Publishes an event: see [`Publisher::publish`].
    ///
    /// ```
    /// # use micro_runtime::{Client, Context, Result, Topic, broker::Memory};
    /// const GREETED: Topic<String> = Topic::new("greeted");
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<()> {
    /// let client = Client::builder().broker(Memory::new()).build();
    /// client.publish(&Context::new(), GREETED, "Ada".to_owned()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn publish<K: ToTopic>(&self, ctx: &Context, topic: K, event: K::Message) -> Publish<K::Message> {
        self.publisher().publish(ctx, topic, event)
    }

    /// Subscribes to a topic: see [`Publisher::subscribe`].
    pub fn subscribe<K: ToTopic>(&self, topic: K) -> Subscribe<K::Message> {
        self.publisher().subscribe(topic)
    }
}

impl ClientBuilder {
    /// Publishes and subscribes with this broker; `http` unless set, in code or with `MICRO_BROKER` and
    /// `MICRO_BROKER_ADDRESS`.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.0.messaging.broker = Some(Arc::new(broker));
        self
    }

    /// Who publishes the events of this client, as they say of themselves (`ce-source`); `micro` unless set, and the
    /// name of the service for the client of a service.
    pub fn source(mut self, source: impl Into<Arc<str>>) -> Self {
        self.0.messaging.source = Some(source.into());
        self
    }

    /// Where a broker that listens itself is to be reached from other hosts.
    pub(crate) fn broker_host(mut self, host: Option<String>) -> Self {
        self.0.messaging.host = host;
        self
    }
}

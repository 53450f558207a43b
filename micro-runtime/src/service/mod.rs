//! A service: what it serves, where it listens, how it is found, and its life from start to stop.

mod checks;
mod decide;
mod eyes;
mod hooks;
mod http;
mod life;
mod node;
mod presence;
mod registrar;
mod rejoin;
mod run;
mod running;
mod signals;
mod source;
mod standard;
mod start;
mod state;
mod stopped;

use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

pub use presence::RegistrationStatus;
pub use running::Running;
pub use state::{NodeState, NodeStatus};
pub use stopped::{CutOff, Stopped};

use crate::admission::Protection;
use crate::broker::{Broker, Memory as MemoryBroker};
use crate::call::{Interceptor, Interceptors};
use crate::client::Client;
use crate::codec::{Codec, Codecs, SerdeCodec};
use crate::endpoint::{Binder, Handler};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::health::{Check, Health};
use crate::messaging::Publisher;
use crate::metrics::Metrics;
use crate::registry::{Memory as MemoryRegistry, Registry};
use crate::server::{Limits, Surroundings};
use crate::tls::ServerTls;
use crate::transport::{Memory as MemoryTransport, Sockets, Transport};
use hooks::Hooks;

/// How long calls in flight may take to finish after a service was told to stop.
///
/// With what comes before it, it is less than the 30 s after which Kubernetes kills a process that it told to stop
/// (`terminationGracePeriodSeconds`): the rest is for cutting calls off in order, and for hooks.
pub const DEFAULT_DRAIN_TIMEOUT: Duration = Duration::from_secs(25);

/// How long a service goes on taking calls after it left the registry, so that callers hear of it
/// before they are refused.
pub const DEFAULT_SPREAD_DELAY: Duration = Duration::from_millis(100);

/// A service that is being put together.
///
/// Every option has a default, so this is a whole program:
///
/// ```ignore
/// micro::Service::new("greeter").handle(Polite).run().await
/// ```
///
/// Options in code win over the environment, which wins over the defaults:
///
/// | Variable | Option | Default |
/// |---|---|---|
/// | `MICRO_SERVER_ADDRESS` | [`address`](Self::address) | `127.0.0.1:0` |
/// | `MICRO_SERVER_ADVERTISE` | [`advertise`](Self::advertise) | the address it listens on |
/// | `MICRO_SERVER_VERSION` | [`version`](Self::version) | `latest` |
/// | `MICRO_SERVER_ID` | [`id`](Self::id) | a random UUID |
/// | `MICRO_SERVER_METADATA` | [`metadata`](Self::metadata) | none |
/// | `MICRO_REGISTRY`, `MICRO_REGISTRY_ADDRESS` | [`registry`](Self::registry) | `mdns` |
/// | `MICRO_BROKER`, `MICRO_BROKER_ADDRESS` | [`broker`](Self::broker) | `http` |
/// | `MICRO_REGISTER_TTL` | [`register_ttl`](Self::register_ttl) | 90 s |
/// | `MICRO_REGISTER_INTERVAL` | [`register_interval`](Self::register_interval) | 30 s |
/// | `MICRO_SPREAD_DELAY` | [`spread_delay`](Self::spread_delay) | 100 ms |
/// | `MICRO_DRAIN_TIMEOUT` | [`drain_timeout`](Self::drain_timeout) | 25 s |
/// | `MICRO_SELECTOR` | the client's [`selector`](crate::client::ClientBuilder::selector) | `p2c` |
/// | `MICRO_ZONE` | [`metadata`](Self::metadata) `zone`, and the client's [`zone`](crate::client::ClientBuilder::zone) | none |
/// | `MICRO_PROTOCOL` | the client's [`protocol`](crate::client::ClientBuilder::protocol) | what a node's record says |
/// | `MICRO_IN_PROCESS` | the client's [`in_process`](crate::client::ClientBuilder::in_process) | `on` |
/// | `MICRO_CLIENT_REQUEST_TIMEOUT` | the client's [`timeout`](crate::client::ClientBuilder::timeout) | 30 s |
/// | `MICRO_CLIENT_RETRIES` | the client's [`retries`](crate::client::ClientBuilder::retries) | 2 |
#[must_use = "a service does nothing until `run`, `start` or `in_memory` is called and awaited"]
pub struct Service {
    name: String,
    options: Options,
    binder: Binder,
    hooks: Hooks,
    /// Made for this service, and the only one that its options change.
    own: Client,
    /// Somebody else's: it is used as it is.
    given: Option<Client>,
    registry_in_code: bool,
    broker_in_code: bool,
    transport: Arc<dyn Transport>,
    codecs: Codecs,
    interceptors: Interceptors,
    surroundings: Surroundings,
    health: Health,
    reflection: bool,
    limits: Limits,
    protection: Protection,
    compress_from: Option<usize>,
    tls: Option<ServerTls>,
    runtime_per_core: bool,
    checks: Vec<(String, Check)>,
    register_in_background: bool,
    environment: Environment,
    metrics: Metrics,
    /// The first thing that was wrong; the start fails with it.
    wrong: Option<Error>,
}

/// The options that the environment can set as well.
#[derive(Default)]
struct Options {
    id: Option<String>,
    version: Option<String>,
    address: Option<String>,
    advertise: Option<String>,
    metadata: Vec<(String, String)>,
    register_ttl: Option<Duration>,
    register_interval: Option<Duration>,
    spread_delay: Option<Duration>,
    drain_timeout: Option<Duration>,
}

impl Service {
    /// A service that is registered under this name.
    pub fn new(name: impl Into<String>) -> Self {
        let (name, metrics) = (name.into(), Metrics::new());
        Self {
            own: Client::builder().metrics(metrics.clone()).source(name.as_str()).build(),
            name,
            options: Options::default(),
            binder: Binder::default(),
            hooks: Hooks::default(),
            given: None,
            registry_in_code: false,
            broker_in_code: false,
            transport: Arc::new(Sockets),
            codecs: Codecs::default(),
            interceptors: Interceptors::default(),
            surroundings: Surroundings::default(),
            health: Health::new(),
            reflection: true,
            limits: Limits::new(),
            protection: Protection::new(),
            compress_from: None,
            tls: None,
            runtime_per_core: false,
            checks: Vec::new(),
            register_in_background: false,
            environment: Environment::process(),
            metrics,
            wrong: None,
        }
    }

    /// Serves with a value whose `impl` block is marked `#[micro::handler]`. May be called many
    /// times.
    pub fn handle(mut self, handler: impl Handler) -> Self {
        Arc::new(handler).bind(&mut self.binder);
        self
    }

    /// The version in the registry; `latest` unless set.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.options.version = Some(version.into());
        self
    }

    /// What tells this node from the others of its name: the node is called `name-id`. A random
    /// UUID unless set.
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.options.id = Some(id.into());
        self
    }

    /// Where to listen, as `host:port`; `127.0.0.1:0` unless set, which is any free port, for
    /// callers on this machine. `0.0.0.0:8080` is every interface, and `unix:/run/greeter.sock` a Unix socket:
    /// see `transport::Unix`.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.options.address = Some(address.into());
        self
    }

    /// The address that callers are told, where it is not the one to listen on: behind a proxy, or
    /// in a container. A host alone gets the port that the service listens on.
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.options.advertise = Some(address.into());
        self
    }

    /// Adds metadata of this node to the registry.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.metadata.push((name.into(), value.into()));
        self
    }

    /// How long the registry keeps this node without hearing of it; 90 s unless set. Nothing at
    /// all is an error at the start.
    pub fn register_ttl(mut self, ttl: Duration) -> Self {
        self.options.register_ttl = Some(ttl);
        self
    }

    /// How often this node tells the registry that it is there; 30 s unless set, or a third of the
    /// [`register_ttl`](Self::register_ttl) where that is less. It must be less than that, and
    /// more than nothing.
    pub fn register_interval(mut self, interval: Duration) -> Self {
        self.options.register_interval = Some(interval);
        self
    }

    /// Registers with, and finds other services in, this registry; mDNS unless set.
    ///
    /// A client that is given with [`with_client`](Self::with_client) finds services where it did
    /// before.
    pub fn registry(mut self, registry: impl Registry) -> Self {
        self.registry_in_code = true;
        self.configure("registry", |client| client.registry(registry))
    }

    /// Publishes and subscribes with this broker; `http` unless set, which needs nothing installed.
    ///
    /// Unless it is set here, a client that is given with [`with_client`](Self::with_client) brings its own.
    pub fn broker(mut self, broker: impl Broker) -> Self {
        self.broker_in_code = true;
        self.configure("broker", |client| client.broker(broker))
    }

    /// What publishes events, for handlers that do so when they serve no call, and for hooks; in a handler, see
    /// [`Context::publish`](crate::Context::publish).
    pub fn publisher(&self) -> Publisher {
        self.messenger().publisher()
    }

    /// Whose broker the service uses.
    fn messenger(&self) -> &Client {
        self.given.as_ref().filter(|_| !self.broker_in_code).unwrap_or(&self.own)
    }

    /// Listens and connects through this transport; [`Sockets`] unless set, which is TCP, and Unix sockets for
    /// addresses that begin with `unix:`. A client that is given with
    /// [`with_client`](Self::with_client) connects as it did before.
    pub fn transport(mut self, transport: impl Transport) -> Self {
        let transport: Arc<dyn Transport> = Arc::new(transport);
        self.transport = transport.clone();
        self.configure("transport", |client| client.shared_transport(transport))
    }

    /// Takes variables from here; the environment of the process unless set.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment.clone();
        self.configure("environment", |client| client.environment(environment))
    }

    /// Counts here, and so does the service's own [`client`](Self::client); with [`Metrics`] of its own unless set.
    /// [`Metrics::off`] counts nothing. [`Running::metrics`] returns them.
    ///
    /// ```
    /// # use micro_runtime::{Metrics, Service};
    /// let metrics = Metrics::new();
    /// let service = Service::new("greeter").metrics(metrics.clone());
    /// // … show `metrics.render()` to who asks.
    /// ```
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.metrics = metrics.clone();
        self.configure("metrics", |client| client.metrics(metrics))
    }

    fn configure(
        mut self,
        what: &str,
        change: impl FnOnce(crate::client::ClientBuilder) -> crate::client::ClientBuilder,
    ) -> Self {
        if !self.own.configure(change) {
            self.wrong.get_or_insert_with(|| {
                Error::failed_precondition(format!(
                    "the {what} of the service `{}` was set after its client had made a call: set it first",
                    self.name
                ))
            });
        }
        self
    }

    /// Lets handlers make their calls with this client: [`client`](Self::client) returns it from
    /// now on.
    ///
    /// It is used as it is, and no option of the service changes it. Where no
    /// [`registry`](Self::registry) is set, the service is registered where this client finds
    /// services, unless it has fixed addresses.
    pub fn with_client(mut self, client: Client) -> Self {
        self.given = Some(client);
        self
    }

    /// The client for handlers that call other services: the one that was given
    /// [with `with_client`](Self::with_client), or else one that shares this service's registry
    /// and transport.
    ///
    /// ```ignore
    /// let service = Service::new("web");
    /// let greeter = GreeterClient::new(&service.client());
    /// service.handle(Web { greeter }).run().await
    /// ```
    pub fn client(&self) -> Client {
        self.given.as_ref().unwrap_or(&self.own).clone()
    }

    /// Adds an encoding for all serde messages, by its content type.
    pub fn codec(mut self, codec: impl SerdeCodec) -> Self {
        self.codecs.add(Codec::custom(codec));
        self
    }

    /// Adds code around every call that is served. The first one added is the outermost.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Self {
        self.interceptors.push(interceptor);
        self
    }

    /// Compresses answers of at least this many bytes for every caller that reads that, be it a
    /// browser. Unless set, only callers that compress what they send get compressed answers.
    pub fn compress(mut self, from: usize) -> Self {
        self.compress_from = Some(from);
        self
    }

    /// A handle on the health that the service tells those who ask, for handlers and hooks that know
    /// what it depends on.
    ///
    /// ```
    /// # use micro_runtime::Service;
    /// let service = Service::new("greeter");
    /// let health = service.health();
    /// let service = service.before_start(|| async move {
    ///     health.set_serving_of("greeter.v1.Greeter", false);
    ///     Ok(())
    /// });
    /// ```
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// Whether callers may ask what is served and what its messages look like, as `grpcurl` does. They
    /// may unless set.
    #[cfg(feature = "protobuf")]
    pub fn reflection(mut self, yes: bool) -> Self {
        self.reflection = yes;
        self
    }

    /// Starts the service even where it cannot be registered, because the registry is away: it takes calls, and is
    /// registered as soon as the registry is there. Unless set, such a start fails, so that somebody hears of a wrong
    /// address.
    ///
    /// A service that is registered once goes on without its registry in either case.
    pub fn register_in_background(mut self) -> Self {
        self.register_in_background = true;
        self
    }

    /// What callers are granted: sizes and times.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Protects the service against more calls than it can serve; against none unless set.
    ///
    /// ```
    /// # use micro_runtime::Service;
    /// # use micro_runtime::admission::Protection;
    /// let service = Service::new("greeter").protect(Protection::new().max_calls(500));
    /// ```
    pub fn protect(mut self, protection: Protection) -> Self {
        self.protection = protection;
        self
    }

    /// Takes only connections with TLS; without TLS unless set.
    ///
    /// Clients must be told, with [`ClientBuilder::tls`](crate::client::ClientBuilder::tls); the
    /// service's own [`client`](Self::client) as well, with [`with_client`](Self::with_client),
    /// where the services that it calls take only TLS.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ServerTls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Serves connections on runtimes of its own, one for each core, each on one thread; on the runtime of
    /// whoever starts the service unless this is called.
    ///
    /// A connection and all its calls stay on one thread then, and nothing has to be woken on another one:
    /// with a few connections per core, and handlers that take microseconds, a service does several times
    /// as many calls. It is the wrong choice where a single client sends most of the calls on one connection, or
    /// where handlers compute for long: one busy thread does not hand its work to an idle one, and a
    /// handler that blocks holds up every call of its core.
    ///
    /// Handlers, layers and what is mounted run there, and so does what they spawn, until the service has
    /// stopped. Hooks, the registry and everything else stay where they are.
    ///
    /// A transport whose listeners cannot give connections away
    /// ([`Listener::accept_movable`](crate::transport::Listener::accept_movable)) is an error at the start. TCP and
    /// memory can.
    ///
    /// ```
    /// # use micro_runtime::Service;
    /// let service = Service::new("greeter").runtime_per_core();
    /// ```
    pub fn runtime_per_core(mut self) -> Self {
        self.runtime_per_core = true;
        self
    }

    /// How long the service goes on taking calls after it left the registry;
    /// [`DEFAULT_SPREAD_DELAY`] unless set, and nothing at all [in memory](Self::in_memory).
    ///
    /// Callers that did not yet hear that it left are served in this time, and not refused. Give it
    /// as long as the registry takes to tell everybody, and clients that do not call elsewhere when
    /// they are refused as long as they cache what they found.
    pub fn spread_delay(mut self, delay: Duration) -> Self {
        self.options.spread_delay = Some(delay);
        self
    }

    /// How long calls in flight may take to finish once the service takes no new ones;
    /// [`DEFAULT_DRAIN_TIMEOUT`] unless set. What stop does before that has limits of its own, see
    /// [`Running::stop`].
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.options.drain_timeout = Some(timeout);
        self
    }

    /// Starts the service and returns once it is registered and takes calls. It runs until the
    /// value is stopped or dropped.
    ///
    /// One whose [checks](Self::check) fail takes calls, and is not registered before they succeed: that is no
    /// error, and in the log.
    ///
    /// A start that fails undoes what it did, and returns the errors of that as well. One whose
    /// future is dropped does so in the background, without the hooks.
    pub async fn start(self) -> Result<Running> {
        // Nobody can tell it to stop, so it is running when it did not fail.
        let Ok(running) = start::start(self, pending::<Infallible>()).await?;
        Ok(running)
    }

    /// Starts the service without a socket, for tests: its [`client`](Running::client) reaches it
    /// through memory, with everything but the network between them. It knows no other service.
    ///
    /// The environment has no say in it, and neither [`address`](Self::address) nor
    /// [`advertise`](Self::advertise) have a meaning. A client that was given with
    /// [`with_client`](Self::with_client) stays as it is, for the calls that handlers make.
    pub async fn in_memory(mut self) -> Result<Running> {
        self.options.address = None;
        self.options.advertise = None;
        // Its registry tells everybody before it returns.
        self.options.spread_delay = Some(Duration::ZERO);
        if !self.broker_in_code {
            self = self.broker(MemoryBroker::new());
        }
        self.environment(Environment::empty())
            .transport(MemoryTransport::new())
            .registry(MemoryRegistry::new())
            // What is sent is to be encoded, as it is elsewhere.
            .configure("in_process", |client| client.in_process(false))
            .start()
            .await
    }

    /// Runs the service until Ctrl-C or SIGTERM, then stops it as [`Running::stop`] does. A second
    /// signal stops it at once, and is an error.
    ///
    /// A signal during the start ends the start where it is, a hook that is under way included,
    /// undoes what was done, and is no error.
    ///
    /// Returns every error there was: of the start, of the hooks, and of the stop.
    pub async fn run(self) -> Result<()> {
        run::run(self).await
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("endpoints", &self.binder)
            .finish_non_exhaustive()
    }
}

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use super::retry::{Backoff, CircuitBreaker, Codes, Policy, RetryBudget};
use super::{Client, HttpVersion, Inner, messaging};
use crate::call::{Interceptor, Interceptors};
use crate::codec::{Codec, Codecs, Compression, SerdeCodec};
use crate::environment::Environment;
use crate::error::Code;
use crate::metrics::Metrics;
use crate::protocol::{Protocol, native};
use crate::registry::{Discovery, Registry};
use crate::selector::{Narrowing, OutlierEjection, Selector};
use crate::tls::ClientTls;
use crate::transport::{Sockets, Transport};

/// How long a call may take where neither the call, nor its context, nor its method says so. A
/// call with a stream on either side has no such limit.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The options of a [`Client`].
///
/// What is not set here is taken from the environment (`MICRO_REGISTRY`,
/// `MICRO_REGISTRY_ADDRESS`, `MICRO_SELECTOR`, `MICRO_ZONE`, `MICRO_PROTOCOL`, `MICRO_IN_PROCESS`,
/// `MICRO_CLIENT_REQUEST_TIMEOUT`, `MICRO_CLIENT_RETRIES`), and else from the
/// defaults.
#[derive(Debug, Default)]
#[must_use]
pub struct ClientBuilder(pub(super) Settings);

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) environment: Environment,
    pub(super) discovery: Option<Discovery>,
    pub(super) addresses: Vec<String>,
    pub(super) selector: Option<Arc<dyn Selector>>,
    pub(super) outliers: Option<OutlierEjection>,
    pub(super) slow_start: Duration,
    pub(super) narrowing: Narrowing,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) protocol: Option<Protocol>,
    pub(super) tls: Option<ClientTls>,
    pub(super) http_version: Option<HttpVersion>,
    pub(super) codecs: Codecs,
    pub(super) compression: Option<Compression>,
    pub(super) http_get: bool,
    pub(super) in_process: Option<bool>,
    pub(super) interceptors: Interceptors,
    pub(super) timeout: Option<Duration>,
    pub(super) policy: Policy,
    pub(super) connect_timeout: Duration,
    pub(super) max_connections: usize,
    pub(super) discovery_timeout: Duration,
    pub(super) max_message_size: usize,
    pub(super) call_window: u32,
    pub(super) connection_window: u32,
    pub(super) max_buffered: usize,
    /// Made when it is first needed, where none was given.
    pub(super) metrics: Option<Metrics>,
    pub(super) messaging: messaging::Settings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            environment: Environment::process(),
            discovery: None,
            addresses: Vec::new(),
            selector: None,
            outliers: Some(OutlierEjection::new()),
            slow_start: Duration::from_secs(10),
            narrowing: Narrowing::default(),
            transport: Arc::new(Sockets),
            protocol: None,
            tls: None,
            http_version: None,
            codecs: Codecs::default(),
            compression: None,
            http_get: false,
            in_process: None,
            interceptors: Interceptors::default(),
            timeout: None,
            policy: Policy::default(),
            connect_timeout: Duration::from_secs(3),
            max_connections: 4,
            discovery_timeout: Duration::from_secs(5),
            max_message_size: 4 * 1024 * 1024,
            call_window: native::Settings::default().call_window,
            connection_window: native::Settings::default().connection_window,
            max_buffered: native::MAX_BUFFERED,
            metrics: None,
            messaging: messaging::Settings::default(),
        }
    }
}

impl ClientBuilder {
    /// Finds nodes in this registry; mDNS unless set.
    pub fn registry(self, registry: impl Registry) -> Self {
        self.shared_registry(Arc::new(registry))
    }

    pub(crate) fn shared_registry(self, registry: Arc<dyn Registry>) -> Self {
        self.discovery(Discovery::new(registry))
    }

    /// Finds nodes where others do that have a clone of the same [`Discovery`]: they share the
    /// watches of the registry, its views, and what is known of the nodes.
    pub fn discovery(mut self, discovery: Discovery) -> Self {
        self.0.discovery = Some(discovery);
        self
    }

    /// Calls this address, and no registry is asked: `127.0.0.1:8080`, or `unix:/run/greeter.sock`. Several
    /// addresses are balanced.
    pub fn address(mut self, address: impl Into<String>) -> Self {
        self.0.addresses.push(address.into());
        self
    }

    /// Picks nodes with this balancer; [`P2c`](crate::selector::P2c) unless set.
    pub fn selector(mut self, selector: impl Selector) -> Self {
        self.0.selector = Some(Arc::new(selector));
        self
    }

    /// Connects through this transport; [`Sockets`] unless set, which is TCP, and Unix sockets for addresses
    /// that begin with `unix:`.
    pub fn transport(self, transport: impl Transport) -> Self {
        self.shared_transport(Arc::new(transport))
    }

    pub(crate) fn shared_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.0.transport = transport;
        self
    }

    /// Makes all calls in this protocol. Unless set, each node's registry record decides, and Connect
    /// is taken where there is none.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.0.protocol = Some(protocol);
        self
    }

    /// Compresses the messages that are sent, and asks for answers that are compressed in the same
    /// way; nothing is compressed unless set. A server that does not read the compression refuses
    /// the call with `unimplemented`. [`Call::compression`](super::Call::compression) sets it for one call.
    ///
    /// go-micro's own protocol has no compression and goes without.
    pub fn compression(mut self, compression: Compression) -> Self {
        self.0.compression = Some(compression);
        self
    }

    /// Calls idempotent methods with GET where the protocol is Connect, so that caches and proxies
    /// can answer; off unless set. A message that is too long for a URL (8 KiB) is sent with POST.
    pub fn http_get(mut self, get: bool) -> Self {
        self.0.http_get = get;
        self
    }

    /// Whether calls to services in this process stay in it, where this client has the same
    /// [`Discovery`] as they: those of the service that it is the client of, for example. They do unless set, or
    /// switched with `MICRO_IN_PROCESS` (`on`, `off`).
    ///
    /// Such a call is like any other, but that nothing is sent: a message is handed over as it is, and encoded
    /// only where the two sides have different types for it. No limit of message sizes holds, there is no
    /// compression, and [`Context::peer`](crate::Context::peer) is `in-process`. Where both sides are one message,
    /// the handler runs in the future of the call.
    ///
    /// A client that is told how to call, by [`protocol`](Self::protocol), [`http_version`](Self::http_version),
    /// [`http_get`](Self::http_get) or `tls`, calls so; and services with layers, which are of HTTP, are called
    /// over HTTP.
    pub fn in_process(mut self, yes: bool) -> Self {
        self.0.in_process = Some(yes);
        self
    }

    /// Connects with TLS, to every node; without TLS unless set.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: ClientTls) -> Self {
        self.0.tls = Some(tls);
        self
    }

    /// Speaks this version of HTTP only. Unless set, it is HTTP/2, which every service of this
    /// framework speaks, and with TLS what the server chooses of both. Calls in gRPC are HTTP/2 and
    /// those in go-micro's own protocol HTTP/1.1, whatever is set.
    pub fn http_version(mut self, version: HttpVersion) -> Self {
        self.0.http_version = Some(version);
        self
    }

    /// Adds an encoding, to be chosen per call with [`Call::codec`](super::Call::codec).
    pub fn codec(mut self, codec: impl SerdeCodec) -> Self {
        self.0.codecs.add(Codec::custom(codec));
        self
    }

    /// Adds code around every call. The first one added is the outermost.
    pub fn intercept(mut self, interceptor: impl Interceptor) -> Self {
        self.0.interceptors.push(interceptor);
        self
    }

    /// How long a unary call may take where nothing nearer to it says so; [`DEFAULT_TIMEOUT`]
    /// unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.0.timeout = Some(timeout);
        self
    }

    /// How many further attempts an idempotent call gets after one that failed with
    /// [`retry_on`](Self::retry_on); 2 unless set here or with `MICRO_CLIENT_RETRIES`. What a method says in its
    /// contract, and what a call says ([`Call::retries`](super::Call::retries)), is nearer and wins.
    ///
    /// With 0 no request is processed twice, hedges included. A call that was surely not processed moves to
    /// another node in any case: nothing of it has happened yet.
    ///
    /// A call is idempotent where its method is, or where it has an idempotency key. It can be sent again where its
    /// request is one message.
    pub fn retries(mut self, retries: u32) -> Self {
        self.0.policy.retries = Some(retries);
        self
    }

    /// Which codes of idempotent calls are worth another attempt; [`Code::Unavailable`] unless set.
    ///
    /// Beside these, a node that says when to come back ([`Error::retry_after`](crate::Error::retry_after)) with
    /// `unavailable` or `resource_exhausted` is taken at its word, and one that asks not to be tried again
    /// ([`Error::forbids_retry`](crate::Error::forbids_retry)) is not.
    pub fn retry_on(mut self, codes: impl AsRef<[Code]>) -> Self {
        self.0.policy.codes = Codes::of(codes.as_ref());
        self
    }

    /// How long to wait before another attempt; up to 25 ms unless set, then up to 50 ms, and so on.
    pub fn retry_backoff(mut self, backoff: Backoff) -> Self {
        self.0.policy.backoff = backoff;
        self
    }

    /// How many of the calls to one service may be further attempts, see [`RetryBudget`]. `None` for no limit.
    pub fn retry_budget(mut self, budget: impl Into<Option<RetryBudget>>) -> Self {
        self.0.policy.budget = budget.into();
        self
    }

    /// How long an attempt of an idempotent call may take before another one takes its place; no limit unless
    /// set. The last attempt has all the time that is left: to break it off would win nothing. So has an attempt
    /// for which the retry budget has no successor, and one of a call that is not idempotent, which runs once.
    pub fn attempt_timeout(mut self, timeout: Duration) -> Self {
        self.0.policy.attempt_timeout = Some(timeout);
        self
    }

    /// Asks another node as well, where the first one has not answered an idempotent call after this time; the first
    /// answer counts and the other attempt is cancelled. Off unless set. Good values are near the slowest twentieth
    /// of all answers.
    ///
    /// A hedge is one of the [`retries`](Self::retries) and is paid from the [budget](Self::retry_budget). There is
    /// none without another node. It is for calls with one message each way.
    pub fn hedge(mut self, after: Duration) -> Self {
        self.0.policy.hedge = Some(after);
        self
    }

    /// When calls to a service that fails are refused here, see [`CircuitBreaker`]. `None` never refuses any.
    pub fn circuit_breaker(mut self, breaker: impl Into<Option<CircuitBreaker>>) -> Self {
        self.0.policy.breaker = breaker.into();
        self
    }

    /// How long connecting to a node may take before another one is tried; 3 s unless set.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.0.connect_timeout = timeout;
        self
    }

    /// How many connections of HTTP/2, and of the native wire, there may be to one node; 4 unless set, 1 at the
    /// least. There is one until it is busy, with 16 calls in flight or as many as the node takes at a time, where a
    /// stream counts as 8; then there is another one for the calls to come. On a runtime with a single thread there
    /// is another one only where the node takes no more. Those that are not used for 50 s to 100 s are closed, all but
    /// one, and that one when the node leaves the registry or its server finds it idle.
    ///
    /// Over HTTP/1.1 there is a connection for each call in flight, whatever is set.
    pub fn max_connections_per_node(mut self, connections: usize) -> Self {
        self.0.max_connections = connections.max(1);
        self
    }

    /// How long a call waits for the first node of its service to be found, within its deadline;
    /// 5 s unless set. A registry that knows that there is none ends the wait at once.
    pub fn discovery_timeout(mut self, timeout: Duration) -> Self {
        self.0.discovery_timeout = timeout;
        self
    }

    /// The largest message that is read, in bytes; 4 MiB unless set.
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.0.max_message_size = bytes;
        self
    }

    /// How many bytes of one answer on the native wire may wait in the client before they are read; 256 KiB
    /// unless set, 64 KiB at the least, 1 GiB at the most. A single larger message gets through.
    pub fn call_window(mut self, bytes: u32) -> Self {
        self.0.call_window = bytes.clamp(64 * 1024, 1 << 30);
        self
    }

    /// How many bytes of all answers on one connection of the native wire may wait in the client before they
    /// are read; 16 MiB unless set, 64 KiB at the least, 1 GiB at the most.
    pub fn connection_window(mut self, bytes: u32) -> Self {
        self.0.connection_window = bytes.clamp(64 * 1024, 1 << 30);
        self
    }

    /// How many bytes there may be of messages that arrive in parts and are not whole yet, all those on one
    /// connection of the native wire together; 64 MiB unless set. Parts are 128 KiB and less. A message that
    /// would make it more fails its call with `resource_exhausted`.
    pub fn max_buffered(mut self, bytes: usize) -> Self {
        self.0.max_buffered = bytes;
        self
    }

    /// Counts here, together with others that have it; with [`Metrics`] of its own unless set.
    /// [`Metrics::off`] counts nothing.
    pub fn metrics(mut self, metrics: Metrics) -> Self {
        self.0.metrics = Some(metrics);
        self
    }

    /// Takes variables from here; the environment of the process unless set.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.0.environment = environment;
        self
    }

    /// The client. It opens nothing before its first call.
    pub fn build(self) -> Client {
        Client(Arc::new(Inner { settings: Mutex::new(self.0), core: OnceLock::new() }))
    }
}

impl From<Settings> for ClientBuilder {
    fn from(settings: Settings) -> Self {
        Self(settings)
    }
}

impl From<ClientBuilder> for Settings {
    fn from(builder: ClientBuilder) -> Self {
        builder.0
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("discovery", &self.discovery)
            .field("addresses", &self.addresses)
            .field("selector", &self.selector)
            .field("transport", &self.transport)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::decide::Decided;
use super::hooks::{Errors, Hooks};
use super::node::{Node, Terms};
use super::presence::{Presence, RegistrationStatus};
use super::standard::Standard;
use super::state::{Machine, NodeState, NodeStatus};
use super::stopped::CutOffs;
use crate::endpoint::Subscriber;
use crate::error::{Code, Error, Result};
use crate::health::Check;
use crate::messaging::{self, Publisher, Subscriptions};
use crate::metrics::Metrics;
use crate::protocol::Site;
use crate::registry::{Discovery, EndpointRecord, Membership, Registration};
use crate::server::{Cut, Limits, Server, Surroundings};
use crate::tls::Acceptor;
use crate::transport::Transport;

/// What a service has brought up so far, and how that is taken down again.
///
/// Hooks come in pairs: once the start got to `before_start`, `after_stop` runs in the end, and
/// once it got to `after_start`, `before_stop` does, whatever failed in between.
pub(super) struct Life {
    hooks: Hooks,
    machine: Machine,
    presence: Presence,
    standard: Standard,
    server: Option<Server>,
    /// Callers in the same process find the server while this is there.
    membership: Option<Membership>,
    node: Option<Node>,
    subscriptions: Subscriptions,
    /// Whether it got as far as its `after_start` hooks.
    started: bool,
    spread_delay: Duration,
    drain_timeout: Duration,
}

/// All that is needed to bring a service up.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) decided: Decided,
    pub(super) endpoints: Vec<EndpointRecord>,
    pub(super) site: Site,
    pub(super) subscriptions: Subscribing,
    pub(super) surroundings: Surroundings,
    pub(super) limits: Limits,
    pub(super) tls: Option<Acceptor>,
    /// How many runtimes of its own the server has, where it has any.
    pub(super) cores: Option<usize>,
    pub(super) discovery: Discovery,
    pub(super) in_background: bool,
    pub(super) checks: Vec<(String, Check)>,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) metrics: Metrics,
    /// The registry and the selector, each with its source, for the log.
    pub(super) chosen: [String; 2],
}

/// What is needed to bring the subscribers up.
pub(super) struct Subscribing {
    pub(super) subscribers: Vec<Arc<Subscriber>>,
    pub(super) publisher: Publisher,
    pub(super) surroundings: messaging::Surroundings,
}

impl Subscribing {
    /// The name of the broker, where one is needed.
    fn broker(&self) -> Option<&'static str> {
        let needed = !self.subscribers.is_empty();
        needed.then(|| self.publisher.opened().ok().map(|opened| opened.broker.name())).flatten()
    }

    /// Subscribes. Who has no subscribers needs no broker.
    async fn start(self) -> Result<Subscriptions> {
        if self.subscribers.is_empty() {
            return Ok(Subscriptions::default());
        }
        Subscriptions::start(self.publisher.opened()?, self.subscribers, self.surroundings).await
    }
}

impl Life {
    pub(super) fn new(
        hooks: Hooks,
        machine: Machine,
        standard: Standard,
        spread_delay: Duration,
        drain_timeout: Duration,
    ) -> Self {
        let presence = Presence::new(machine.health().clone());
        Self {
            hooks,
            machine,
            presence,
            standard,
            server: None,
            membership: None,
            node: None,
            subscriptions: Subscriptions::default(),
            started: false,
            spread_delay,
            drain_timeout,
        }
    }

    /// Brings the service up and returns the address it listens on. Where this fails or is dropped,
    /// [`Life::down`] undoes what was done.
    pub(super) async fn up(&mut self, plan: Plan) -> Result<String> {
        let Plan {
            name,
            decided,
            endpoints,
            site,
            subscriptions,
            surroundings,
            limits,
            tls,
            cores,
            discovery,
            in_background,
            checks,
            transport,
            metrics,
            chosen,
        } = plan;
        std::mem::take(&mut self.hooks.before_start).run().await?;

        let listener = transport.listen(&decided.address).await?;
        let address = listener.address();
        let advertised = decided.advertised(transport.advertised(&address)?);
        let encrypted = tls.is_some();
        if cores.is_some() && !listener.is_movable() {
            return Err(not_movable(transport.name()));
        }
        let native = !surroundings.has_layers();
        let departure = subscriptions.surroundings.departure.clone();
        let server = Server::start(listener, site, surroundings, limits, tls, cores, departure)?;
        server.observe(&metrics);
        self.machine.observe(&metrics);
        self.presence.observe(&metrics);
        let entrance = self.server.insert(server).entrance();

        let broker = subscriptions.broker();
        self.subscriptions = subscriptions.start().await?;

        let registration = decided.registration(&name, advertised, endpoints, native);
        let node = registration.node.clone();
        let kept = Node::start(Terms {
            machine: self.machine.clone(),
            presence: self.presence.clone(),
            registry: discovery.registry().clone(),
            registration,
            ttl: decided.ttl,
            interval: decided.interval,
            in_background,
            checks,
        });
        self.node.insert(kept).started().await.map_err(not_registered)?;
        self.membership = entrance.map(|entrance| discovery.join(&node, entrance));

        let [registry, selector] = chosen;
        tracing::info!(
            service = name,
            version = decided.version_from.of_value(&decided.version),
            node = node.id,
            address = decided.address_from.of_value(&address),
            advertised = node.address,
            registry,
            selector,
            broker,
            transport = transport.name(),
            tls = encrypted,
            registered = self.presence.status().registered,
            "started"
        );
        self.started = true;
        std::mem::take(&mut self.hooks.after_start).run().await?;
        Ok(address)
    }

    /// Leaves the registry, goes on serving while that spreads, takes no new calls, lets those in
    /// flight finish, and cuts the rest off.
    pub(super) async fn down(self, errors: &mut Errors) -> Cut {
        if self.started {
            self.hooks.before_stop.run_all(errors).await;
        }
        let stops = if self.started { "it was told to stop" } else { "its start is undone" };
        self.machine.go(NodeState::Draining, stops);
        self.subscriptions.retire();
        if let Some(node) = self.node {
            let left = node.leave().await;
            // Of a node that could not leave nobody hears, however long it waits.
            if self.started && left.is_ok() && !self.spread_delay.is_zero() {
                sleep(self.spread_delay).await;
            }
            errors.note(left);
        }
        self.standard.stop();
        drop(self.membership);
        let mut cut = Cut::default();
        let (subscriptions, patience) = (self.subscriptions, self.drain_timeout);
        if let Some(server) = self.server {
            let left;
            (cut, left) = tokio::join!(server.stop(patience), subscriptions.stop(patience));
            cut.all += left;
            if cut.all > 0 {
                let limit = humantime::format_duration(self.drain_timeout);
                let what = CutOffs::of(&cut).to_string();
                tracing::warn!(calls = cut.all, cut = what, "what was not done within {limit} was cut off");
            }
            tracing::info!(address = server.address(), "stopped");
        }
        self.hooks.after_stop.run_all(errors).await;
        self.machine.go(NodeState::Gone, "it has stopped");
        cut
    }

    /// The state of the node, now and whenever it changes.
    pub(super) fn watch(&self) -> watch::Receiver<NodeStatus> {
        self.machine.watch()
    }

    pub(super) fn registration(&self) -> RegistrationStatus {
        self.presence.status()
    }

    /// Changes what the registry is told about the node.
    pub(super) fn describe(&self, change: impl FnOnce(&mut Registration)) {
        if let Some(node) = &self.node {
            node.content().send_modify(|registration| change(Arc::make_mut(registration)));
        }
    }
}

/// A service that could not be registered does not start, unless it was told that this is no obstacle.
#[cold]
fn not_registered(error: Error) -> Error {
    if !matches!(error.code(), Code::Unavailable | Code::DeadlineExceeded) {
        return error;
    }
    let message = format!(
        "cannot register: {} (a service with the option `register_in_background` starts all the same)",
        error.message()
    );
    Error::new(error.code(), message).with_source(error)
}

#[cold]
fn not_movable(transport: &str) -> Error {
    Error::failed_precondition(format!(
        "a listener of the transport `{transport}` cannot give its connections to other runtimes: leave the option \
         `runtime_per_core` out, or implement `Listener::accept_movable`"
    ))
}

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::decide::Decided;
use super::hooks::{Errors, Hooks};
use super::registrar::Registrar;
use super::standard::Standard;
use crate::error::{Error, Result};
use crate::metrics::Metrics;
use crate::protocol::Site;
use crate::registry::{Discovery, EndpointRecord, Membership};
use crate::server::{Limits, Server, Surroundings};
use crate::tls::Acceptor;
use crate::transport::Transport;

/// What a service has brought up so far, and how that is taken down again.
///
/// Hooks come in pairs: once the start got to `before_start`, `after_stop` runs in the end, and
/// once it got to `after_start`, `before_stop` does, whatever failed in between.
pub(super) struct Life {
    hooks: Hooks,
    standard: Standard,
    server: Option<Server>,
    /// Callers in the same process find the server while this is there.
    membership: Option<Membership>,
    registrar: Option<Registrar>,
    ready: bool,
    spread_delay: Duration,
    drain_timeout: Duration,
}

/// All that is needed to bring a service up.
pub(super) struct Plan {
    pub(super) name: String,
    pub(super) decided: Decided,
    pub(super) endpoints: Vec<EndpointRecord>,
    pub(super) site: Site,
    pub(super) surroundings: Surroundings,
    pub(super) limits: Limits,
    pub(super) tls: Option<Acceptor>,
    /// How many runtimes of its own the server has, where it has any.
    pub(super) cores: Option<usize>,
    pub(super) discovery: Discovery,
    pub(super) transport: Arc<dyn Transport>,
    pub(super) metrics: Metrics,
    /// The registry and the selector, each with its source, for the log.
    pub(super) chosen: [String; 2],
}

impl Life {
    pub(super) fn new(
        hooks: Hooks,
        standard: Standard,
        spread_delay: Duration,
        drain_timeout: Duration,
    ) -> Self {
        Self {
            hooks,
            standard,
            server: None,
            membership: None,
            registrar: None,
            ready: false,
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
            surroundings,
            limits,
            tls,
            cores,
            discovery,
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
        let server = Server::start(listener, site, surroundings, limits, tls, cores)?;
        server.observe(&metrics);
        let entrance = self.server.insert(server).entrance();

        let registration = decided.registration(&name, advertised, endpoints, native);
        let node = registration.node.clone();
        let registrar =
            Registrar::start(discovery.registry().clone(), registration, decided.ttl, decided.interval);
        self.registrar.insert(registrar).registered().await?;
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
            transport = transport.name(),
            tls = encrypted,
            "started"
        );
        self.ready = true;
        self.standard.ready();
        std::mem::take(&mut self.hooks.after_start).run().await?;
        Ok(address)
    }

    /// Leaves the registry, goes on serving while that spreads, takes no new calls, lets those in
    /// flight finish, and cuts the rest off.
    pub(super) async fn down(self, errors: &mut Errors) {
        if self.ready {
            self.hooks.before_stop.run_all(errors).await;
        }
        self.standard.leave();
        if let Some(registrar) = self.registrar {
            let left = registrar.stop().await;
            // Of a node that could not leave nobody hears, however long it waits.
            if self.ready && left.is_ok() && !self.spread_delay.is_zero() {
                sleep(self.spread_delay).await;
            }
            errors.note(left);
        }
        self.standard.stop();
        drop(self.membership);
        if let Some(server) = self.server {
            let cut = server.stop(self.drain_timeout).await;
            if cut > 0 {
                let limit = humantime::format_duration(self.drain_timeout);
                tracing::warn!(calls = cut, "calls that were not done within {limit} were cut off");
            }
            tracing::info!(address = server.address(), "stopped");
        }
        self.hooks.after_stop.run_all(errors).await;
    }
}

#[cold]
fn not_movable(transport: &str) -> Error {
    Error::failed_precondition(format!(
        "a listener of the transport `{transport}` cannot give its connections to other runtimes: leave the option \
         `runtime_per_core` out, or implement `Listener::accept_movable`"
    ))
}

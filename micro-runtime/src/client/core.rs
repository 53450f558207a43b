use std::sync::Arc;
use std::time::Duration;

use super::builder::{DEFAULT_TIMEOUT, Settings};
use super::connections::{Connections, Opener, PING_INTERVAL};
use super::nodes::Nodes;
use super::retry::{Policy, Target, TargetStats, Targets};
use super::{Channel, messaging};
use crate::call::Interceptors;
use crate::codec::{Codec, Codecs, Compression};
use crate::endpoint::Body;
use crate::error::{Error, Result};
use crate::message::Message;
use crate::messaging::Opened;
use crate::metrics::Metrics;
use crate::protocol::http2::PING_TIMEOUT;
use crate::protocol::{Protocol, native};
use crate::registry::{self, Discovery, Locals};
use crate::selector::{self, Balancing, P2c};
use crate::tls::ClientTls;

/// A client that is open: its settings are decided and no longer change.
pub(super) struct Core {
    pub(super) nodes: Nodes,
    pub(super) balancing: Balancing,
    pub(super) connections: Connections,
    /// Where it is not left to the node's record.
    pub(super) protocol: Option<Protocol>,
    /// The nodes in this process, where calls to them may stay in it.
    pub(super) locals: Option<Locals>,
    /// Whether an option is set that only calls over HTTP have.
    pub(super) prefers_http: bool,
    pub(super) codecs: Codecs,
    pub(super) compression: Option<Compression>,
    pub(super) http_get: bool,
    pub(super) interceptors: Interceptors,
    pub(super) timeout: Duration,
    pub(super) max_message_size: usize,
    pub(super) policy: Policy,
    targets: Arc<Targets>,
    pub(super) metrics: Metrics,
    messaging: messaging::Lazy,
}

impl Core {
    /// Decides what is not set: by the environment, else by the defaults.
    pub(super) fn open(settings: &Settings, metrics: Metrics) -> Result<Self> {
        let environment = &settings.environment;
        let selector = match (&settings.selector, environment.get("MICRO_SELECTOR")?) {
            (Some(selector), _) => selector.clone(),
            (None, Some(name)) => {
                selector::by_name(&name).map_err(|error| error.context("MICRO_SELECTOR"))?
            }
            (None, None) => Arc::new(P2c::default()),
        };
        let policy = selector::Policy { outliers: settings.outliers, slow_start: settings.slow_start };
        let mut narrowing = settings.narrowing.clone();
        if narrowing.zone.is_none() {
            narrowing.zone = environment.get("MICRO_ZONE")?;
        }
        let nodes = if settings.addresses.is_empty() {
            let discovery = match &settings.discovery {
                Some(discovery) => discovery.clone(),
                None => Discovery::new(registry::from_environment(environment)?),
            };
            Nodes::registered(discovery, settings.discovery_timeout, narrowing)
        } else {
            Nodes::fixed(&settings.addresses)
        };
        let timeout = match settings.timeout {
            Some(timeout) => timeout,
            None => environment.duration("MICRO_CLIENT_REQUEST_TIMEOUT")?.unwrap_or(DEFAULT_TIMEOUT),
        };
        let protocol = match (settings.protocol, environment.get("MICRO_PROTOCOL")?) {
            (Some(protocol), _) => Some(protocol),
            (None, Some(name)) => Some(name.parse().map_err(|error: Error| error.context("MICRO_PROTOCOL"))?),
            (None, None) => None,
        };
        let prefers_http = settings.http_version.is_some() || settings.http_get;
        let may_stay = match (settings.in_process, environment.switch("MICRO_IN_PROCESS")?) {
            (Some(in_process), _) => in_process,
            (None, switched) => switched.unwrap_or(true),
        };
        let told = protocol.is_some() || prefers_http || settings.tls.is_some();
        let locals = nodes.discovery().filter(|_| may_stay && !told).map(|found| found.locals().clone());
        let opener = Opener {
            transport: settings.transport.clone(),
            tls: settings.tls.as_ref().map(ClientTls::open).transpose()?,
            connect_timeout: settings.connect_timeout,
            max_connections: settings.max_connections,
            tally: Arc::default(),
        };
        let native = native::Settings {
            call_window: settings.call_window,
            connection_window: settings.connection_window,
            ..Default::default()
        };
        let bounds = native::Bounds {
            max_message_size: settings.max_message_size,
            max_buffered: settings.max_buffered,
            body_timeout: None,
            keep_alive_interval: PING_INTERVAL,
            keep_alive_timeout: PING_TIMEOUT,
            always_asks: false,
        };
        let connections = Connections::new(opener, settings.http_version, native, bounds);
        connections.observe(&metrics);
        let targets = Arc::new(Targets::default());
        targets.observe(&metrics);
        if let Some(discovery) = nodes.discovery() {
            connections.follow(discovery);
            discovery.observe(&metrics);
        }
        Ok(Self {
            nodes,
            balancing: Balancing { selector, policy },
            connections,
            protocol,
            locals,
            prefers_http,
            codecs: settings.codecs.clone(),
            compression: settings.compression,
            http_get: settings.http_get,
            interceptors: settings.interceptors.clone(),
            timeout,
            max_message_size: settings.max_message_size,
            policy: settings.policy.decided(environment)?,
            targets,
            metrics,
            messaging: messaging::Lazy::new(settings.messaging.clone(), environment.clone()),
        })
    }

    /// What is known of the service that a channel leads to.
    pub(super) fn target<'a>(&self, channel: &'a Channel) -> &'a Arc<Target> {
        let destination = &channel.0;
        destination.target.get_or_init(|| self.targets.get(&destination.service, &self.policy))
    }

    /// What was done for the calls to each service.
    pub(super) fn stats(&self) -> Vec<TargetStats> {
        self.targets.stats()
    }

    /// What events are published with, opened if it was not yet.
    pub(super) fn messaging(&self) -> Result<&Opened> {
        self.messaging.get(self.discovery(), &self.codecs, &self.metrics)
    }

    pub(super) fn discovery(&self) -> Option<&Discovery> {
        self.nodes.discovery()
    }

    /// Whether calls may stay in this process, as far as can be known before a node is picked.
    pub(super) fn may_stay(&self) -> bool {
        self.locals.as_ref().is_some_and(Locals::any)
    }

    /// The codec of a call: the one it names, else the first that the request prefers and the
    /// answer has as well.
    pub(super) fn codec<A: Body, B: Body>(&self, name: Option<&str>) -> Result<Codec> {
        if let Some(name) = name {
            return self.codecs.find(name).cloned().ok_or_else(|| {
                let known: Vec<_> = self.codecs.iter().map(Codec::name).collect();
                Error::invalid_argument(format!(
                    "`{name}` is not a codec of this client; known: {}",
                    known.join(", ")
                ))
            });
        }
        let (request, answer) = (<A::Message as Message>::FORMATS, <B::Message as Message>::FORMATS);
        let common = request.iter().find(|format| answer.iter().any(|other| other.name == format.name));
        match common {
            Some(format) => Ok(Codec::built_in(format.name)),
            None => Err(Error::internal(format!(
                "the messages `{}` and `{}` have no encoding in common",
                <A::Message as Message>::SHAPE.name,
                <B::Message as Message>::SHAPE.name
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ClientBuilder;
    use crate::environment::Environment;
    use crate::registry::Memory;
    use crate::selector::Random;

    #[test]
    fn code_wins_over_the_environment_which_wins_over_the_default() {
        let open = |builder: ClientBuilder, environment: &[(&str, &str)]| {
            let environment = Environment::from_iter(environment.iter().copied());
            let settings = builder.registry(Memory::new()).environment(environment).into();
            let core = Core::open(&settings, Metrics::off()).unwrap();
            (core.balancing.selector.name(), core.timeout)
        };
        let environment = [("MICRO_SELECTOR", "random"), ("MICRO_CLIENT_REQUEST_TIMEOUT", "7s")];
        let seconds = Duration::from_secs;
        assert_eq!(open(ClientBuilder::default(), &[]), ("p2c", DEFAULT_TIMEOUT));
        assert_eq!(open(ClientBuilder::default(), &environment), ("random", seconds(7)));
        let in_code = ClientBuilder::default().selector(P2c::new()).timeout(seconds(3));
        assert_eq!(open(in_code, &environment), ("p2c", seconds(3)));
        let in_code = ClientBuilder::default().selector(Random::new());
        assert_eq!(open(in_code, &[("MICRO_SELECTOR", "p2c")]).0, "random");
    }
}

//! The brokers that the scenarios are run with.

use std::sync::Arc;
use std::time::Duration;

use micro::broker::{Broker, Nats, Surroundings, by_name};
use micro::registry::Registry;
use micro::{Environment, Result};

use crate::report::Outcome;
use crate::servers::{self, Kind, Server};

/// After this time NATS gives an event to somebody else that a process has which was killed. It is 30 s unless set,
/// and nobody should wait that long for a test.
const ACK_WAIT: Duration = Duration::from_secs(3);

/// A driver, and the server that it takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Driver {
    Http,
    Nats,
    RabbitMq,
}

impl Driver {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Nats => "nats",
            Self::RabbitMq => "rabbitmq",
        }
    }

    fn kind(self) -> Option<Kind> {
        match self {
            Self::Http => None,
            Self::Nats => Some(Kind::Nats),
            Self::RabbitMq => Some(Kind::RabbitMq),
        }
    }

    /// The address of the server that runs for all, which is none where the driver needs none.
    pub(crate) fn running(self) -> Result<Option<String>, Outcome> {
        match self.kind() {
            None => Ok(None),
            Some(kind) => servers::running(kind).map(Some).ok_or_else(|| self.missing()),
        }
    }

    /// A server of one's own, to be killed.
    pub(crate) async fn server(self) -> Result<Server, Outcome> {
        let kind = self.kind().expect("only what has a server is killed");
        Server::start(kind).await.ok_or_else(|| self.missing())
    }

    fn missing(self) -> Outcome {
        let name = self.name();
        Outcome::Skipped(format!("there is no {name}: run `ci/servers.sh cargo test --test scenarios`"))
    }
}

/// The broker that the environment of a process names.
pub(super) fn broker(environment: &Environment, registry: Arc<dyn Registry>) -> Result<Arc<dyn Broker>> {
    let address = environment.get("MICRO_BROKER_ADDRESS")?;
    let name = environment.get("MICRO_BROKER")?.unwrap_or_default();
    if name == Driver::Nats.name() {
        return Ok(Arc::new(Nats::parse(&address.unwrap_or_default())?.ack_wait(ACK_WAIT)));
    }
    by_name(&name, address.as_deref(), &Surroundings::new(registry))
}

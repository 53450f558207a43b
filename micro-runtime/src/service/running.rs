use std::fmt;

use tokio::sync::watch;
use tokio::time::Instant;

use super::hooks::Errors;
use super::life::Life;
use super::presence::RegistrationStatus;
use super::run;
use super::signals::Signals;
use super::state::{NodeState, NodeStatus};
use super::stopped::Stopped;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::health::{Health, HealthReport};
use crate::messaging::Publisher;
use crate::metrics::Metrics;
use crate::protocol::PROTOCOLS;

/// A service that takes calls. Dropping it stops it at once; [`stop`](Self::stop) lets it finish.
#[must_use = "a service stops when this is dropped"]
pub struct Running {
    client: Client,
    health: Health,
    metrics: Metrics,
    publisher: Publisher,
    address: String,
    life: Life,
}

impl Running {
    pub(super) fn new(
        client: Client,
        health: Health,
        metrics: Metrics,
        publisher: Publisher,
        address: String,
        life: Life,
    ) -> Self {
        Self { client, health, metrics, publisher, address, life }
    }

    /// A client that finds services where this one is registered, itself included, and connects
    /// through the transport that this one listens on.
    ///
    /// It is made for the service. A client that was given with
    /// [`with_client`](super::Service::with_client) is another one.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// What publishes events, with the broker that its subscribers have.
    pub fn publisher(&self) -> Publisher {
        self.publisher.clone()
    }

    /// The address it listens on, with the port that the system chose.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A handle on the health that it tells those who ask.
    pub fn health(&self) -> Health {
        self.health.clone()
    }

    /// The state of the node: [`Ready`](NodeState::Ready) most of the time.
    pub fn state(&self) -> NodeState {
        self.life.watch().borrow().state
    }

    /// The state of the node with its reason, now and whenever it changes. It outlives the service, which is
    /// [`Gone`](NodeState::Gone) in the end.
    ///
    /// ```
    /// # use micro_runtime::{Service, service::NodeState};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> micro_runtime::Result<()> {
    /// let running = Service::new("greeter").in_memory().await?;
    /// let mut states = running.watch();
    /// running.health().set_serving(false);
    /// let status = states.wait_for(|status| status.state == NodeState::Unhealthy).await.unwrap().clone();
    /// assert!(status.reason.contains("set_serving"));
    /// # running.stop().await
    /// # }
    /// ```
    pub fn watch(&self) -> watch::Receiver<NodeStatus> {
        self.life.watch()
    }

    /// What is known of each [check](super::Service::check), and of the whole.
    pub fn health_report(&self) -> HealthReport {
        self.health.report()
    }

    /// What is known of the node's registration: whether it is in the registry, when it was last renewed, how many
    /// times that failed.
    pub fn registration(&self) -> RegistrationStatus {
        self.life.registration()
    }

    /// Changes metadata of this node in the registry, now; `None` takes it away.
    ///
    /// Fails with `invalid_argument` for `protocols` and `protocol`, which say how the node is called.
    pub fn set_metadata<'a>(&self, name: &str, value: impl Into<Option<&'a str>>) -> Result<()> {
        if [PROTOCOLS, "protocol"].contains(&name) {
            return Err(Error::invalid_argument(format!(
                "the metadata `{name}` of a node says how it is called, and cannot be changed"
            )));
        }
        self.life.describe(|registration| {
            let metadata = &mut registration.node.metadata;
            match value.into() {
                Some(value) => metadata.insert(name.to_owned(), value.to_owned()),
                None => metadata.remove(name),
            };
        });
        Ok(())
    }

    /// What it counts, together with its client.
    pub fn metrics(&self) -> Metrics {
        self.metrics.clone()
    }

    /// Waits for Ctrl-C or SIGTERM, then stops. A second signal stops at once.
    pub async fn until_signal(self) -> Result<()> {
        run::until(self, Signals::new()?).await
    }

    /// Stops, in this order:
    ///
    /// 1. `before_stop` hooks run, as long as they take;
    /// 2. the node is [draining](NodeState::Draining), its [health](Self::health) is that it serves nothing, and it leaves the registry, which
    ///    holds up what follows for 2 s at most;
    /// 3. calls are still taken for the [spread delay](super::Service::spread_delay);
    /// 4. no new calls are taken, and those in flight may finish for up to the
    ///    [drain timeout](super::Service::drain_timeout), and hear of it with [`Context::stopping`](crate::Context::stopping); the
    ///    rest is cut off;
    /// 5. `after_stop` hooks run, as long as they take.
    ///
    /// Returns every error there was on the way. What was cut off is in the log, and in what
    /// [`stop_with_report`](Self::stop_with_report) returns.
    pub async fn stop(self) -> Result<()> {
        self.stop_with_report().await.result
    }

    /// Stops as [`stop`](Self::stop) does, and says what was cut off.
    pub async fn stop_with_report(self) -> Stopped {
        let (begun, mut errors) = (Instant::now(), Errors::default());
        let cut = self.life.down(&mut errors).await;
        Stopped::new(&cut, begun.elapsed(), errors.into_result())
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address()).finish_non_exhaustive()
    }
}

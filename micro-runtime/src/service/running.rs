use std::fmt;

use super::hooks::Errors;
use super::life::Life;
use super::run;
use super::signals::Signals;
use crate::client::Client;
use crate::error::Result;
use crate::health::Health;
use crate::metrics::Metrics;

/// A service that takes calls. Dropping it stops it at once; [`stop`](Self::stop) lets it finish.
#[must_use = "a service stops when this is dropped"]
pub struct Running {
    client: Client,
    health: Health,
    metrics: Metrics,
    address: String,
    life: Life,
}

impl Running {
    pub(super) fn new(client: Client, health: Health, metrics: Metrics, address: String, life: Life) -> Self {
        Self { client, health, metrics, address, life }
    }

    /// A client that finds services where this one is registered, itself included, and connects
    /// through the transport that this one listens on.
    ///
    /// It is made for the service. A client that was given with
    /// [`with_client`](super::Service::with_client) is another one.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The address it listens on, with the port that the system chose.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// A handle on the health that it tells those who ask.
    pub fn health(&self) -> Health {
        self.health.clone()
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
    /// 2. its [health](Self::health) is that it serves nothing, and the node leaves the registry, which holds up what follows for 2 s at most;
    /// 3. calls are still taken for the [spread delay](super::Service::spread_delay);
    /// 4. no new calls are taken, and those in flight may finish for up to the
    ///    [drain timeout](super::Service::drain_timeout); the rest is cut off;
    /// 5. `after_stop` hooks run, as long as they take.
    ///
    /// Returns every error there was on the way.
    pub async fn stop(self) -> Result<()> {
        let mut errors = Errors::default();
        self.life.down(&mut errors).await;
        errors.into_result()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address()).finish_non_exhaustive()
    }
}

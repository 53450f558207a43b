use std::fmt;
use std::time::Duration;

use super::hooks::{Errors, List};
use super::registrar::Registrar;
use super::signals::Signals;
use crate::client::Client;
use crate::error::{Error, Result};
use crate::server::Server;

/// A service that takes calls. Dropping it stops it at once; [`stop`](Self::stop) lets it finish.
#[must_use = "a service stops when this is dropped"]
pub struct Running {
    client: Client,
    server: Server,
    registrar: Registrar,
    before_stop: List,
    after_stop: List,
    drain_timeout: Duration,
}

impl Running {
    pub(super) fn new(
        client: Client,
        server: Server,
        registrar: Registrar,
        before_stop: List,
        after_stop: List,
        drain_timeout: Duration,
    ) -> Self {
        Self { client, server, registrar, before_stop, after_stop, drain_timeout }
    }

    /// A client that finds services where this one is registered, itself included.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The address it listens on, with the port that the system chose.
    pub fn address(&self) -> &str {
        self.server.address()
    }

    /// Waits for Ctrl-C or SIGTERM, then stops. A second signal stops at once.
    pub async fn until_signal(self) -> Result<()> {
        self.until(Signals::new()?).await
    }

    pub(super) async fn until(self, mut signals: Signals) -> Result<()> {
        let signal = signals.next().await;
        tracing::info!(signal, "stopping");
        tokio::select! {
            stopped = self.stop() => stopped,
            signal = signals.next() => {
                Err(Error::canceled(format!("stopped at once by a second signal ({signal}), with calls in flight")))
            }
        }
    }

    /// Leaves the registry, takes no new calls, lets the calls in flight finish for up to the
    /// drain timeout, and cuts the rest off. Returns every error there was on the way.
    pub async fn stop(self) -> Result<()> {
        let mut errors = Errors::default();
        self.before_stop.run_all(&mut errors).await;
        errors.note(self.registrar.stop().await);
        let cut = self.server.stop(self.drain_timeout).await;
        if cut > 0 {
            let limit = humantime::format_duration(self.drain_timeout);
            tracing::warn!(calls = cut, "calls that were not done within {limit} were cut off");
        }
        self.after_stop.run_all(&mut errors).await;
        tracing::info!(address = self.server.address(), "stopped");
        errors.into_result()
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("address", &self.address()).finish_non_exhaustive()
    }
}

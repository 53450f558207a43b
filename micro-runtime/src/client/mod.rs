//! The client: from a call to a node and back.
//!
//! A call passes the interceptors, gets its deadline, picks a node from the view of its service,
//! and goes out on the connection to that node. A node that cannot be reached is out of use at
//! once and the call moves to another one. An idempotent call that fails is tried again, within a
//! budget.

mod balancing;
mod builder;
mod call;
mod channel;
mod coalesce;
mod connections;
mod core;
mod counted;
mod failover;
mod generated;
mod held;
mod limit;
mod local;
mod messaging;
mod nodes;
mod pipeline;
mod retry;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use crate::protocol::Protocol;
pub use builder::{ClientBuilder, DEFAULT_TIMEOUT};
pub use call::{Call, Fallback, Response};
pub use channel::{Channel, call, relay};
pub use connections::HttpVersion;
#[doc(hidden)]
pub use generated::{answer, pass_on};
pub use retry::{Backoff, CircuitBreaker, RetryBudget, TargetStats};

use crate::error::Result;
use crate::metrics::Metrics;
use crate::registry::Discovery;
use crate::selector::NodeStatus;
use builder::Settings;
use core::Core;

/// Makes calls. Clones share everything: connections, views of the registry, statistics.
///
/// Its connections and watches run in the tokio runtime of the call that needed them first, so a
/// client belongs to one runtime.
///
/// It is cheap to make and does nothing before its first call; only then it looks at the
/// environment and opens the registry.
///
/// ```no_run
/// # use micro_runtime::Client;
/// // Finds services through the registry, as the environment says or with mDNS.
/// let client = Client::new();
/// // Calls one address, whatever the registry says.
/// let direct = Client::builder().address("127.0.0.1:8080").build();
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    settings: Mutex<Settings>,
    core: OnceLock<Core>,
}

impl Client {
    /// A client with the defaults.
    pub fn new() -> Self {
        Self::builder().build()
    }

    /// A client with options.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// How the nodes of a service do, as this client sees them: which are in use, and how busy and fast they are. For
    /// people and tools.
    ///
    /// A service that nobody called yet begins to be watched, and has no nodes at first; that fails with
    /// `failed_precondition` outside of a tokio runtime. A client with fixed addresses has these, whatever the service.
    ///
    /// ```
    /// # use micro_runtime::{Client, registry::Memory};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> micro_runtime::Result<()> {
    /// # let client = Client::builder().registry(Memory::new()).build();
    /// for node in client.nodes("greeter")? {
    ///     println!("{} {:?}, {} calls in flight", node.id, node.out_of_use, node.in_flight);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn nodes(&self, service: &str) -> Result<Vec<NodeStatus>> {
        self.core()?.nodes.status(service)
    }

    /// What the client did beyond making each call once, for each service that it has called, by name.
    /// Nothing where it has not made a call yet.
    ///
    /// ```
    /// # let client = micro_runtime::Client::new();
    /// for target in client.stats() {
    ///     println!("{}: {} retries, {} hedges", target.service, target.retries, target.hedges);
    /// }
    /// ```
    pub fn stats(&self) -> Vec<TargetStats> {
        self.0.core.get().map(Core::stats).unwrap_or_default()
    }

    /// What the client finds nodes with, opened if it was not yet. `None` where it has fixed
    /// addresses.
    pub(crate) fn discovery(&self) -> Result<Option<Discovery>> {
        Ok(self.core()?.discovery().cloned())
    }

    /// The name of its selector, which is decided if it was not yet.
    pub(crate) fn selector_name(&self) -> Result<&'static str> {
        Ok(self.core()?.balancing.selector.name())
    }

    /// Changes the settings of a client that has not made a call yet, and says whether that held.
    pub(crate) fn configure(&self, change: impl FnOnce(ClientBuilder) -> ClientBuilder) -> bool {
        let mut settings = self.0.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.core.get().is_some() {
            return false;
        }
        let builder = change(ClientBuilder::from(std::mem::take(&mut *settings)));
        *settings = builder.into();
        true
    }

    /// What it counts: how often and how long it calls, its connections, and its views of the registry.
    ///
    /// It is the client's own unless [`ClientBuilder::metrics`] gave it another one.
    pub fn metrics(&self) -> Metrics {
        let mut settings = self.0.settings.lock().unwrap_or_else(PoisonError::into_inner);
        settings.metrics.get_or_insert_with(Metrics::new).clone()
    }

    fn core(&self) -> Result<&Core> {
        if let Some(core) = self.0.core.get() {
            return Ok(core);
        }
        // The lock makes two first calls open one registry.
        let mut settings = self.0.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.core.get().is_none() {
            let metrics = settings.metrics.get_or_insert_with(Metrics::new).clone();
            let core = Core::open(&settings, metrics)?;
            return Ok(self.0.core.get_or_init(|| core));
        }
        drop(settings);
        self.core()
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("opened", &self.0.core.get().is_some()).finish_non_exhaustive()
    }
}

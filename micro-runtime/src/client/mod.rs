//! The client: from a call to a node and back.
//!
//! A call passes the interceptors, gets its deadline, picks a node from the view of its service,
//! and goes out on the connection to that node. A node that cannot be reached is out of use at
//! once and the call moves to another one. An idempotent call that fails is tried again, within a
//! budget.

mod builder;
mod call;
mod channel;
mod coalesce;
mod connections;
mod core;
mod failover;
mod generated;
mod held;
mod limit;
mod local;
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
use crate::registry::Discovery;
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
        Ok(self.core()?.selector.name())
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

    fn core(&self) -> Result<&Core> {
        if let Some(core) = self.0.core.get() {
            return Ok(core);
        }
        // The lock makes two first calls open one registry.
        let settings = self.0.settings.lock().unwrap_or_else(PoisonError::into_inner);
        if self.0.core.get().is_none() {
            let core = Core::open(&settings)?;
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

//! etcd (version 3 of its API), with go-micro's keys and records.

mod announce;
mod api;
mod connection;
mod endpoint;
mod proto;
mod record;
mod watch;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::announce::Announced;
use self::connection::{Connection, Settings};
use super::{Registration, Registry, ServiceRecord, Watch};
use crate::environment::Environment;
use crate::error::Result;

/// Discovery with [etcd](https://etcd.io): nodes are keys with a lease, and clients watch them.
///
/// The keys and the records are those of go-micro, so nodes of both find each other.
///
/// * Constructing it connects to nobody; the first use does. Clones share the connection. Of several endpoints one is used
///   for as long as it answers, and then the next one. Every operation takes 5 seconds at the most.
/// * A node has a lease of its `ttl`, in whole seconds and at least what etcd allows (2 seconds with its default settings).
///   Registering again renews it; it grants another one where it was lost, and writes the record again where it is gone, so a node
///   comes back to an etcd that lost its data.
/// * A watch that is silent is asked for a sign of life after 6 seconds, so that one whose server is gone ends within 10 seconds.
/// * A record that cannot be read is left out and logged; the others count.
///
/// ```
/// use micro_runtime::registry::{Etcd, Registry};
///
/// let registry = Etcd::new(["10.0.0.1:2379", "10.0.0.2:2379"])?.credentials("ada", "secret");
/// assert_eq!(registry.name(), "etcd");
/// # Ok::<(), micro_runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Etcd {
    connection: Arc<Connection>,
    announced: Arc<Announced>,
}

impl Etcd {
    /// Where an etcd listens that runs on this machine.
    pub const DEFAULT_ADDRESS: &str = "127.0.0.1:2379";

    /// The etcd with these endpoints, `host:port` each; without a port it is 2379.
    ///
    /// With `https://` in front the endpoint is called with TLS, which takes the cargo feature `tls`.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where there is none, or one is no address, and `failed_precondition` for `https://` without
    /// the feature.
    pub fn new<A: AsRef<str>>(endpoints: impl IntoIterator<Item = A>) -> Result<Self> {
        let endpoints: Vec<_> = endpoints.into_iter().collect();
        Ok(Self::with(Settings {
            endpoints: endpoint::parse(endpoints.iter().map(AsRef::as_ref))?,
            credentials: None,
            #[cfg(feature = "tls")]
            tls: connection::Tls::default(),
        }))
    }

    /// The etcd with these endpoints, separated by commas, as `MICRO_REGISTRY_ADDRESS` has them.
    ///
    /// # Errors
    ///
    /// Those of [`new`](Self::new).
    pub fn parse(endpoints: &str) -> Result<Self> {
        Self::new(endpoints.split(','))
    }

    /// Says who this is, to an etcd with authentication. A token that expired is renewed.
    #[must_use]
    pub fn credentials(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.changed(|settings| settings.credentials = Some((user.into(), password.into())))
    }

    /// Trusts these roots, in PEM, instead of those of the system. It is for endpoints with `https://`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn roots_pem(self, pem: impl AsRef<[u8]>) -> Self {
        self.changed(|settings| settings.tls.roots = Some(pem.as_ref().to_vec()))
    }

    /// Shows this certificate, with its key, both in PEM. It is for endpoints with `https://`.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn identity_pem(self, chain: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> Self {
        self.changed(|settings| {
            settings.tls.identity = Some((chain.as_ref().to_vec(), key.as_ref().to_vec()))
        })
    }

    /// As `MICRO_REGISTRY_ADDRESS`, `ETCD_USERNAME` and `ETCD_PASSWORD` say.
    pub(super) fn configured(address: Option<&str>, environment: &Environment) -> Result<Self> {
        let etcd = Self::parse(address.unwrap_or(Self::DEFAULT_ADDRESS))?;
        Ok(match environment.get("ETCD_USERNAME")? {
            Some(user) => etcd.credentials(user, environment.get("ETCD_PASSWORD")?.unwrap_or_default()),
            None => etcd,
        })
    }

    /// Another one, with a connection of its own.
    fn changed(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.connection.settings.clone();
        change(&mut settings);
        Self::with(settings)
    }

    fn with(settings: Settings) -> Self {
        Self { connection: Arc::new(Connection::new(settings)), announced: Arc::default() }
    }
}

#[async_trait]
impl Registry for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn forgets(&self) -> bool {
        true
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        registration.check()?;
        self.announced.announce(&self.connection, registration, ttl).await
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        self.announced.withdraw(&self.connection, registration).await
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        watch::begin(self.connection.clone(), service).await
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        let list = |used: connection::Use| async move { used.api.list(record::ALL).await };
        let answer = self.connection.call("list the services", list).await?;
        let nodes: Vec<_> =
            answer.kvs.iter().filter_map(|pair| record::decode(&pair.value).ok()).flatten().collect();
        Ok(ServiceRecord::group(&nodes))
    }
}

/// Shows no password.
impl fmt::Debug for Etcd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Etcd").field("endpoints", &self.connection.settings.endpoints).finish_non_exhaustive()
    }
}

//! Consul: the HTTP API of its agent, with go-micro's tags.

mod agent;
mod health;
mod http;
mod tags;
mod watch;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ::http::HeaderValue;
use ::http::uri::Authority;
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};

use self::agent::Announced;
use self::health::Entry;
use self::http::Http;
use super::{Registration, Registry, ServiceRecord, Watch};
use crate::environment::Environment;
use crate::error::{Error, Result};

const DEFAULT_PORT: u16 = 8500;

/// How many services are asked for at the same time.
const AT_ONCE: usize = 8;

/// Discovery with [Consul](https://developer.hashicorp.com/consul): nodes are services of the agent, with a check that runs out.
///
/// The tags are those of go-micro, so nodes of both find each other.
///
/// * Constructing it connects to nobody; the first use does. Every request takes 5 seconds at the most.
/// * A node has a check with its `ttl`, which registering again passes. A node that is silent for longer is critical, and nobody is
///   sent there; Consul forgets it after 65 seconds or, where the `ttl` is over a minute, the `ttl` and 5 seconds. Registering again
///   tells an agent anew that lost its data.
/// * What is registered at one agent is deregistered there. Registering returns when the servers have it, or after 2 seconds.
/// * A watch is a question that waits for news for 10 seconds, and is asked again.
/// * Of the services, [`services`](Registry::services) lists those with tags of go-micro; a watch yields the nodes of any.
/// * Consul shows the node's metadata as far as it takes it: 64 pairs, keys of ASCII letters, digits, `-` and `_`. We and go-micro
///   read the tags, which have all of it.
///
/// ```
/// use micro_runtime::registry::{Consul, Registry};
///
/// let registry = Consul::new("127.0.0.1:8500")?.token("5fd6…")?;
/// assert_eq!(registry.name(), "consul");
/// # Ok::<(), micro_runtime::Error>(())
/// ```
#[derive(Clone)]
pub struct Consul {
    http: Arc<Http>,
    announced: Arc<Announced>,
}

impl Consul {
    /// Where an agent listens that runs on this machine.
    pub const DEFAULT_ADDRESS: &str = "127.0.0.1:8500";

    /// The agent at `host:port`; without a port it is 8500.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where it is no address, and for `https://`, which is not supported: agents are called on the machine
    /// they run on.
    pub fn new(address: impl AsRef<str>) -> Result<Self> {
        Ok(Self::with(parsed(address.as_ref())?, None))
    }

    /// Shows the agent this token, where it has access control.
    ///
    /// # Errors
    ///
    /// `invalid_argument` where it cannot be sent.
    pub fn token(self, token: impl AsRef<str>) -> Result<Self> {
        let mut token = HeaderValue::from_str(token.as_ref().trim())
            .map_err(|error| Error::invalid_argument("the token of Consul is no text").with_source(error))?;
        token.set_sensitive(true);
        Ok(Self::with(self.http.address.clone(), Some(token)))
    }

    /// As `MICRO_REGISTRY_ADDRESS` and `CONSUL_HTTP_TOKEN` say.
    pub(super) fn configured(address: Option<&str>, environment: &Environment) -> Result<Self> {
        let consul = Self::new(address.unwrap_or(Self::DEFAULT_ADDRESS))?;
        match environment.get("CONSUL_HTTP_TOKEN")? {
            Some(token) => consul.token(token),
            None => Ok(consul),
        }
    }

    fn with(address: String, token: Option<HeaderValue>) -> Self {
        Self { http: Arc::new(Http::new(address, token)), announced: Arc::default() }
    }

    async fn nodes(&self, service: &str) -> Result<Vec<Arc<Registration>>> {
        let what = "list the services";
        let entries: Vec<Entry> = self.http.get(what, &health::path(service)).await?.json(what)?;
        Ok(health::nodes(service, entries))
    }
}

#[async_trait]
impl Registry for Consul {
    fn name(&self) -> &'static str {
        "consul"
    }

    fn forgets(&self) -> bool {
        true
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        registration.check()?;
        self.announced.announce(&self.http, registration, ttl).await
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        self.announced.withdraw(&self.http, registration).await
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        watch::begin(self.http.clone(), service).await
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        let what = "list the services";
        let known: BTreeMap<String, Option<Vec<String>>> =
            self.http.get(what, "/v1/catalog/services?stale").await?.json(what)?;
        let ours =
            known.into_iter().filter(|(_, known)| known.iter().flatten().any(|tag| tags::is_ours(tag)));
        let nodes: Vec<_> = stream::iter(ours)
            .map(|(service, _)| async move { self.nodes(&service).await })
            .buffered(AT_ONCE)
            .try_collect()
            .await?;
        Ok(ServiceRecord::group(nodes.iter().flatten().map(|node| &**node)))
    }
}

/// Shows no token.
impl fmt::Debug for Consul {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Consul").field("address", &self.http.address).finish_non_exhaustive()
    }
}

fn parsed(address: &str) -> Result<String> {
    let wrong = |why: &str| {
        Error::invalid_argument(format!(
            "`{}` is no address of a Consul agent: {why}give it as `host:8500`",
            address.escape_debug()
        ))
    };
    let rest = match address.trim().split_once("://") {
        None => address.trim(),
        Some(("http", rest)) => rest,
        Some(("https", _)) => return Err(wrong("TLS to the agent is not supported, ")),
        Some(_) => return Err(wrong("")),
    };
    let authority: Authority = rest.trim_end_matches('/').parse().map_err(|_| wrong(""))?;
    let host = authority.host();
    if host.is_empty() || authority.as_str().contains('@') {
        return Err(wrong(""));
    }
    match authority.port() {
        Some(port) => Ok(format!("{host}:{}", port.as_u16())),
        None if authority.as_str() == host => Ok(format!("{host}:{DEFAULT_PORT}")),
        None => Err(wrong("")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_address_may_leave_out_its_port() -> Result<()> {
        for (address, due) in [("a", "a:8500"), (" http://a:1/ ", "a:1"), ("[::1]", "[::1]:8500")] {
            assert_eq!(parsed(address)?, due);
        }
        Ok(())
    }

    #[test]
    fn what_is_no_address_is_refused_with_what_to_write() {
        for odd in ["", "a b", "https://a", "ftp://a", "a:x", "a/b", "ada@a", ":8500", "::1", "a:70000"] {
            let error = parsed(odd).expect_err(odd);
            assert!(error.message().contains("host:8500"), "{odd}: {error}");
        }
    }

    #[test]
    fn a_token_is_not_shown() -> Result<()> {
        let consul = Consul::new("a")?.token("s3cr3t")?;
        assert!(!format!("{consul:?}").contains("s3cr3t"));
        assert!(consul.token("a\nb").is_err());
        Ok(())
    }

    proptest! {
        #[test]
        fn any_text_is_an_address_or_an_error(text: String) {
            if let Ok(address) = parsed(&text) {
                prop_assert_eq!(parsed(&address).unwrap(), address);
            }
        }
    }
}

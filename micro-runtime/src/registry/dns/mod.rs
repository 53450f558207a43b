//! Nodes that DNS knows.

mod lookup;
mod target;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use hickory_resolver::TokioResolver;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use self::lookup::Found;
use self::target::Target;
use super::{Change, Registration, Registry, ServiceRecord, Watch};
use crate::error::Result;

/// DNS is not asked more often than this, whatever it says and whoever suspects that it is wrong…
const SHORTEST: Duration = Duration::from_secs(1);

/// …and at least this often.
const LONGEST: Duration = Duration::from_secs(30);

/// Nodes found in DNS: headless services of Kubernetes, DNS of Consul or of a cloud, or a zone that somebody writes.
///
/// A template gives the name of a service: `{service}.default.svc.cluster.local`. SRV records are looked up first, under
/// `_grpc._tcp.` before that name, and give hosts, ports and weights. Where there is none, the A records of the name, or else its
/// AAAA records, are the nodes, with the port that was given.
///
/// ```
/// use micro_runtime::registry::Dns;
///
/// let registry = Dns::parse("{service}.default.svc.cluster.local:8080")?;
/// # Ok::<(), micro_runtime::Error>(())
/// ```
///
/// * Names are looked up again when their time to live is over, a little sooner by chance, but not more often than once in a second and
///   not less often than every 30 seconds; and after a second where a node refuses connections.
/// * That there is no such name is an answer: no nodes. When DNS gives no answer, the watch fails with `unavailable`, and a client goes on
///   with what it knows.
/// * Of SRV records with several priorities, those of the best one count (RFC 2782). Weights that differ are the metadata
///   `weight` of the nodes.
/// * A node is known by its address. It has no metadata beside its weight, so it is called in the Connect protocol unless the client says
///   otherwise.
/// * Services can be run on it: [`register`](Registry::register) and [`deregister`](Registry::deregister) succeed and do nothing.
///   Whoever writes the zone says who is in it. In Kubernetes that is the readiness of the pod.
/// * [`services`](Registry::services) lists what is being watched, as DNS has no list.
/// * Constructing it asks nothing. The servers are those of the system (`/etc/resolv.conf`).
#[derive(Clone, Debug)]
pub struct Dns {
    target: Target,
    watched: Arc<Watched>,
}

impl Dns {
    /// `{service}.example.com:8080`, as `MICRO_REGISTRY_ADDRESS` has it; or, to ask a server that is not the system's,
    /// `dns://10.0.0.10:53/{service}.example.com:8080`.
    ///
    /// `{service}` stands for the name of the service. The port is for names without SRV records. A template that
    /// begins with `_`, such as `_http._tcp.{service}.example.com`, is the name of an SRV record, and nothing else is
    /// looked up. To names without a dot beside the service's the system's search domains are added. Anything
    /// else is `invalid_argument`.
    pub fn parse(template: &str) -> Result<Self> {
        Ok(Self { target: Target::parse(template)?, watched: Arc::default() })
    }

    /// Looks up SRV records under this prefix, such as `_http._tcp`; `_grpc._tcp` unless set, and none at
    /// all where it is empty.
    ///
    /// In Kubernetes these are the name and the protocol of a port of the service.
    pub fn srv(mut self, prefix: impl Into<String>) -> Self {
        let prefix = prefix.into();
        self.target.srv = (!prefix.is_empty()).then(|| prefix.trim_end_matches('.').to_owned());
        self
    }

    /// Asks this server, over UDP and TCP, in place of those of the system.
    pub fn server(mut self, server: SocketAddr) -> Self {
        self.target.server = Some(server);
        self
    }
}

#[async_trait]
impl Registry for Dns {
    fn name(&self) -> &'static str {
        "dns"
    }

    async fn register(&self, registration: &Registration, _ttl: Duration) -> Result<()> {
        registration.check()
    }

    async fn deregister(&self, _registration: &Registration) -> Result<()> {
        Ok(())
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        let resolver = lookup::resolver(&self.target)?;
        let asked = Instant::now();
        let found = lookup::look_up(&resolver, &self.target, service).await?;
        let watcher = self.watched.begin(service);
        let mut follower =
            Follower { target: self.target.clone(), resolver, watcher, told: Vec::new(), asked, next: asked };
        let first = follower.take(found);
        let first = first.unwrap_or_else(|| Change::Snapshot(Vec::new()));
        let further = stream::unfold(follower, |mut follower| async move {
            let change = follower.next().await;
            Some((change, follower))
        });
        Ok(stream::iter([Ok(first)]).chain(further).boxed())
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        Ok(self.watched.services())
    }

    fn suspect(&self, registration: &Registration) {
        self.watched.suspect(&registration.service);
    }
}

/// What a watch goes by.
struct Follower {
    target: Target,
    resolver: TokioResolver,
    watcher: Watcher,
    told: Vec<Arc<Registration>>,
    asked: Instant,
    next: Instant,
}

impl Follower {
    /// The next change. After an error the watch is over.
    async fn next(&mut self) -> Result<Change> {
        loop {
            let suspicion = self.watcher.suspicion();
            tokio::select! {
                () = sleep_until(self.next) => {}
                () = suspicion.notified() => sleep_until(self.asked + SHORTEST).await,
            }
            self.asked = Instant::now();
            let found = lookup::look_up(&self.resolver, &self.target, &self.watcher.service).await?;
            if let Some(change) = self.take(found) {
                return Ok(change);
            }
        }
    }

    /// What changed, and when to look again.
    fn take(&mut self, found: Found) -> Option<Change> {
        self.next = Instant::now() + pause(found.ttl);
        if found.nodes == self.told {
            return None;
        }
        self.told.clone_from(&found.nodes);
        self.watcher.found(&found.nodes);
        Some(Change::Snapshot(found.nodes))
    }
}

/// A little less than the time to live, so that those who asked together do not go on together.
fn pause(ttl: Duration) -> Duration {
    ttl.clamp(SHORTEST, LONGEST).mul_f64(0.8 + fastrand::f64() * 0.2).max(SHORTEST)
}

/// The services that are being watched, for lists and suspicions.
#[derive(Debug, Default)]
struct Watched(Mutex<BTreeMap<String, Entry>>);

#[derive(Debug, Default)]
struct Entry {
    watchers: usize,
    nodes: Vec<Arc<Registration>>,
    suspicion: Arc<Notify>,
}

impl Watched {
    fn begin(self: &Arc<Self>, service: &str) -> Watcher {
        self.lock().entry(service.to_owned()).or_default().watchers += 1;
        Watcher { watched: self.clone(), service: service.to_owned() }
    }

    fn services(&self) -> Vec<ServiceRecord> {
        let entries = self.lock();
        ServiceRecord::group(entries.values().flat_map(|entry| &entry.nodes).map(|node| &**node))
    }

    fn suspect(&self, service: &str) {
        if let Some(entry) = self.lock().get(service) {
            entry.suspicion.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watch, of all that there are.
struct Watcher {
    watched: Arc<Watched>,
    service: String,
}

impl Watcher {
    fn suspicion(&self) -> Arc<Notify> {
        self.watched.lock().get(&self.service).map(|entry| entry.suspicion.clone()).unwrap_or_default()
    }

    fn found(&self, nodes: &[Arc<Registration>]) {
        if let Some(entry) = self.watched.lock().get_mut(&self.service) {
            entry.nodes = nodes.to_vec();
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut entries = self.watched.lock();
        let Some(entry) = entries.get_mut(&self.service) else { return };
        entry.watchers -= 1;
        if entry.watchers == 0 {
            entries.remove(&self.service);
        }
    }
}

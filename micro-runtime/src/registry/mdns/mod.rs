//! Multicast DNS service discovery (RFC 6762 and 6763).

mod browse;
#[cfg(feature = "mdns-go-micro")]
mod go;
mod name;
mod network;
mod nodes;
mod session;
mod txt;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
#[cfg(feature = "mdns-go-micro")]
use futures_util::{StreamExt, stream};

use self::nodes::Nodes;
use self::session::Session;
use super::{Registration, Registry, ServiceRecord, Watch};
use crate::error::Result;

/// The one service type of all nodes. A type has at most 15 characters and no dots, so the names of
/// services are in the TXT record.
const TYPE: &str = "_micro._tcp.local.";

/// How long the first look around takes until it counts as the whole answer. mDNS has no end of an
/// answer; a node that was announced within the last second is silent for as long (RFC 6762, 6).
const SETTLE: Duration = Duration::from_millis(1500);

/// How long a node that is suspected to be gone may take to answer; it is asked twice, one second
/// apart.
const SUSPICION: Duration = Duration::from_secs(2);

/// Discovery on the local network, with nothing to install: the default registry.
///
/// Nodes find each other over multicast DNS on UDP port 5353. On one machine and in one network
/// segment that works at once; it does not cross routers, and container networks often do not
/// carry it. Where nothing can be announced, [`register`](Registry::register) says so with
/// `unavailable` and names the ways out.
///
/// * Constructing it opens nothing. The first use opens the sockets and a thread, the first watch
///   begins to browse. Clones are the same registry, and the last one to be dropped says goodbye
///   for every node that is still registered, which takes a few milliseconds.
/// * The `ttl` of a registration is not used: mDNS keeps a node that does not say goodbye for 120
///   seconds, and renews by itself. [`suspect`](Registry::suspect) shortens that to two seconds for
///   a node that crashed. Registering again repeats the announcement, for those who missed it.
/// * A watch yields nodes as they are heard, and its [`Snapshot`](super::Change::Snapshot) 1.5
///   seconds after the registry began to browse, or at once if that is longer ago.
/// * A node's record holds about 8000 bytes. Of the endpoints it has the names, routes and
///   whether they stream, and none where they do not fit; metadata that does not fit is an error.
/// * A node on a loopback address or a Unix socket is announced on the loopback interface only. An address that is
///   not of this machine is announced on all interfaces.
/// * Everybody on the network can read what is announced, and announce. Nothing here is secret, and
///   an address that is found is not a proof of identity.
#[derive(Clone, Debug, Default)]
pub struct Mdns {
    session: Arc<Mutex<Option<Arc<Session>>>>,
    /// Whether it speaks to programs of go-micro as well.
    go_micro: bool,
}

impl Mdns {
    /// A registry that has not opened anything yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Speaks go-micro's dialect of mDNS as well: programs of go-micro on the same network find the nodes that are announced here, and
    /// are found. Off unless set; `MICRO_REGISTRY=mdns-go-micro` sets it.
    ///
    /// * go-micro uses the domain `micro` and a service type for each service. What is announced there is the same record, from
    ///   5353 as well, over IPv4.
    /// * Nodes of Go programs are asked for when somebody watches their service: a watch has those that answer within 100 ms. They announce
    ///   themselves once, when they start, so they are asked again every 10 seconds (8 to 12), and one that is killed is gone after
    ///   three questions without an answer, or within a second or so when a call finds it gone.
    /// * A node with an address that is not an IP, with an id and a service's name that do not fit into one DNS name (without dots,
    ///   63 bytes for the id), or with more than about 8000 bytes of metadata is not announced to them, and the log says so.
    /// * The answer to a question has one packet. Endpoints that do not fit are left out.
    #[cfg(feature = "mdns-go-micro")]
    pub fn go_micro(self, go_micro: bool) -> Self {
        Self { session: Arc::default(), go_micro }
    }

    /// Says goodbye for every node that this registry announced, closes its sockets and ends its
    /// watches. Using it again opens it again.
    pub async fn close(&self) -> Result<()> {
        match self.opened(Option::take) {
            Some(session) => session.leave_none_behind().await,
            None => Ok(()),
        }
    }

    fn session(&self) -> Result<Arc<Session>> {
        self.opened(|opened| match opened {
            Some(session) if session.is_alive() => Ok(session.clone()),
            _ => {
                let session = Arc::new(Session::open(self.go_micro)?);
                *opened = Some(session.clone());
                Ok(session)
            }
        })
    }

    /// Browses, and forgets a session that cannot: the next use tries with another one.
    async fn browsed<'a>(&self, session: &'a Arc<Session>, what: &str) -> Result<&'a Nodes> {
        let browsed = session.browsed(what).await;
        if browsed.is_err() {
            self.opened(|opened| opened.take_if(|opened| Arc::ptr_eq(opened, session)));
        }
        browsed
    }

    fn opened<T>(&self, change: impl FnOnce(&mut Option<Arc<Session>>) -> T) -> T {
        change(&mut self.session.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl Registry for Mdns {
    fn name(&self) -> &'static str {
        if self.go_micro { "mdns-go-micro" } else { "mdns" }
    }

    fn gathers(&self) -> bool {
        true
    }

    async fn register(&self, registration: &Registration, _ttl: Duration) -> Result<()> {
        registration.check()?;
        network::published(&registration.node)?;
        let session = self.session()?;
        session.announce(registration).await?;
        // A service is likely to call others. Who begins to listen early does not wait later.
        session.begin_to_browse()
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        match self.opened(|opened| opened.clone()) {
            Some(session) => session.withdraw(registration).await,
            None => Ok(()),
        }
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        let session = self.session()?;
        let nodes = self.browsed(&session, &format!("look for `{service}`")).await?;
        #[cfg(feature = "mdns-go-micro")]
        if let Some(dialect) = session.dialect() {
            // They are asked for as long as the stream is held.
            let following = dialect.follow(service).await;
            let watch = nodes.table().watch(service);
            let held = stream::unfold((watch, following), |(mut watch, following)| async move {
                let change = watch.next().await?;
                Some((change, (watch, following)))
            });
            return Ok(held.boxed());
        }
        Ok(nodes.table().watch(service))
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        let session = self.session()?;
        let table = self.browsed(&session, "look for services").await?.table();
        table.complete().await;
        #[cfg(feature = "mdns-go-micro")]
        if let Some(dialect) = session.dialect() {
            let mut all: Vec<_> = table.services().into_iter().flat_map(Registration::from_record).collect();
            let same = |one: &Registration, other: &Registration| {
                one.service == other.service && one.node.id == other.node.id
            };
            let listed = dialect.list().await;
            let new: Vec<_> =
                listed.into_iter().filter(|node| !all.iter().any(|known| same(known, node))).collect();
            all.extend(new);
            return Ok(ServiceRecord::group(&all));
        }
        Ok(table.services())
    }

    fn suspect(&self, registration: &Registration) {
        if let Some(session) = self.opened(|opened| opened.clone()) {
            session.suspect(registration);
        }
    }
}

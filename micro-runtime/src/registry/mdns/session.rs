use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use mdns_sd::{DaemonEvent, DaemonStatus, Receiver, ServiceDaemon, ServiceInfo, TxtProperty};
use tokio::time::{sleep, timeout};

#[cfg(feature = "mdns-go-micro")]
use super::go::Dialect;
use super::nodes::Nodes;
use super::txt::{self, Announcement};
use super::{SUSPICION, TYPE, browse, name, network};
use crate::error::{Error, Result};
use crate::registry::Registration;

/// How long the daemon may take for one command; it usually takes less than a millisecond.
const ANSWER: Duration = Duration::from_secs(2);

/// How long the records of a node that took leave say so, before they are taken back.
const LINGER: Duration = Duration::from_secs(10);

/// How long a session that is dropped waits for its goodbyes to be sent.
const FAREWELL: Duration = Duration::from_millis(250);

/// One mDNS daemon, its thread and sockets, and what it announces and knows.
pub(super) struct Session {
    daemon: ServiceDaemon,
    nodes: Arc<Nodes>,
    /// Held while announcing, so that two calls for one node cannot overtake each other.
    own: tokio::sync::Mutex<Announced>,
    suspects: Mutex<HashMap<String, Instant>>,
    browsing: OnceLock<()>,
    closing: Arc<AtomicBool>,
    last_revision: Mutex<u64>,
    /// Where it speaks to programs of go-micro as well.
    #[cfg(feature = "mdns-go-micro")]
    dialect: Option<Dialect>,
}

/// What this process announces.
#[derive(Debug, Default)]
struct Announced {
    /// The nodes, by service and id.
    nodes: HashMap<(String, String), Own>,
    /// The full names of those that took leave, and when.
    gone: HashMap<String, Instant>,
}

#[derive(Debug)]
struct Own {
    registration: Arc<Registration>,
    revision: u64,
}

impl Session {
    /// Opens one, which speaks to programs of go-micro as well where that was compiled in and is wanted.
    pub(super) fn open(go_micro: bool) -> Result<Self> {
        #[cfg(not(feature = "mdns-go-micro"))]
        let _ = go_micro;
        let daemon = ServiceDaemon::new()
            .map_err(|error| Error::unavailable("cannot start an mDNS daemon").with_source(error))?;
        let nodes = Arc::new(Nodes::new());
        Ok(Self {
            daemon,
            #[cfg(feature = "mdns-go-micro")]
            dialect: go_micro.then(|| Dialect::start(nodes.clone())).transpose()?,
            nodes,
            own: tokio::sync::Mutex::default(),
            suspects: Mutex::default(),
            browsing: OnceLock::new(),
            closing: Arc::default(),
            last_revision: Mutex::default(),
        })
    }

    /// Whether the daemon runs: it is a thread, which may have died.
    pub(super) fn is_alive(&self) -> bool {
        match self.daemon.status() {
            Err(mdns_sd::Error::DaemonShutdown) => false,
            // A daemon that is gone answers at once; one that runs answers later.
            Ok(answer) => !matches!(answer.try_recv(), Ok(DaemonStatus::Shutdown)),
            Err(_) => true,
        }
    }

    /// Announces a node, again or with other content.
    pub(super) async fn announce(&self, registration: &Registration) -> Result<()> {
        let key = (registration.service.clone(), registration.node.id.clone());
        let mut own = self.own.lock().await;
        let before = own.nodes.get(&key).map(|own| (own.registration.clone(), own.revision));
        // A renewal repeats the announcement as it was: nodes that missed it hear it.
        let (registration, revision) = match &before {
            Some((before, revision)) if **before == *registration => (before.clone(), *revision),
            _ => (Arc::new(registration.clone()), self.next_revision()),
        };
        let announcement = Announcement { registration: (*registration).clone(), revision, gone: false };
        let info = info(&announcement)?;
        let full_name = info.get_fullname().to_owned();

        // A goodbye for what is announced again would be heard after the announcement.
        own.gone.remove(&full_name);
        self.clear_up(&mut own).await;
        if !self.multicast(info).await? {
            // Not half announced: the daemon would, later, when an interface comes up.
            let _ = self.command(|daemon| daemon.unregister(&full_name)).await;
            self.nodes.withdrawn(&full_name, revision);
            own.nodes.remove(&key);
            return Err(network::unavailable(&format!("announce `{}`", registration.service)));
        }
        self.nodes.announced(&full_name, &registration, revision);
        #[cfg(feature = "mdns-go-micro")]
        if let Some(dialect) = &self.dialect {
            dialect.announce(&registration);
        }
        own.nodes.insert(key, Own { registration: registration.clone(), revision });
        match before.filter(|(before, _)| before.node.address != registration.node.address) {
            Some((before, _)) => self.take_leave(&mut own, &before).await,
            None => Ok(()),
        }
    }

    /// Takes a node back, unless it is announced at another address by now.
    pub(super) async fn withdraw(&self, registration: &Registration) -> Result<()> {
        let key = (registration.service.clone(), registration.node.id.clone());
        let mut own = self.own.lock().await;
        self.clear_up(&mut own).await;
        let is_this = |own: &Own| own.registration.node.address == registration.node.address;
        if own.nodes.get(&key).is_some_and(is_this) {
            own.nodes.remove(&key);
            self.take_leave(&mut own, registration).await?;
        }
        Ok(())
    }

    /// Takes all nodes back.
    pub(super) async fn leave_none_behind(&self) -> Result<()> {
        let mut own = self.own.lock().await;
        for (_, node) in std::mem::take(&mut own.nodes) {
            self.take_leave(&mut own, &node.registration).await?;
        }
        Ok(())
    }

    /// Begins to browse, unless that was done. A session that fails here is of no more use.
    pub(super) fn begin_to_browse(&self) -> Result<()> {
        let mut started = Ok(());
        self.browsing.get_or_init(|| {
            started = browse::start(self.daemon.clone(), self.nodes.clone(), self.closing.clone());
        });
        started.map_err(|error| {
            Error::resource_exhausted("cannot start the thread that follows mDNS").with_source(error)
        })
    }

    /// What is known, once this session can hear anything.
    pub(super) async fn browsed(&self, what: &str) -> Result<&Nodes> {
        self.begin_to_browse()?;
        match timeout(ANSWER, self.nodes.is_hearing()).await {
            Ok(true) => Ok(&self.nodes),
            Ok(false) => Err(network::unavailable(what)),
            Err(_) => Err(silent()),
        }
    }

    /// The way to programs of go-micro.
    #[cfg(feature = "mdns-go-micro")]
    pub(super) fn dialect(&self) -> Option<&Dialect> {
        self.dialect.as_ref()
    }

    /// Asks whether the node is still there, and removes it where nobody answers.
    pub(super) fn suspect(&self, registration: &Registration) {
        if self.browsing.get().is_none() {
            return;
        }
        #[cfg(feature = "mdns-go-micro")]
        if let Some(dialect) = &self.dialect {
            dialect.suspect(&registration.service);
        }
        let full_name = name::full_name(&name::label(registration));
        let mut suspects = self.suspects.lock().unwrap_or_else(PoisonError::into_inner);
        // A node that refuses a thousand calls is asked for once.
        suspects.retain(|_, asked| asked.elapsed() < SUSPICION);
        // Where the queue of the daemon is full, the next refused call asks again.
        if !suspects.contains_key(&full_name) && self.daemon.verify(full_name.clone(), SUSPICION).is_ok() {
            suspects.insert(full_name, Instant::now());
        }
    }

    /// Says that the node is gone.
    ///
    /// It does so by announcing just that, and takes the records back [later](LINGER). The goodbye
    /// of mDNS lets a node live on for a second (RFC 6762, 10.1); and a node that comes back within
    /// that second is not heard, because its records were sent a moment ago (RFC 6762, 6) and
    /// peers take them for unchanged.
    async fn take_leave(&self, own: &mut Announced, registration: &Registration) -> Result<()> {
        let revision = self.next_revision();
        let farewell = farewell(registration, revision)?;
        let full_name = farewell.get_fullname().to_owned();
        self.nodes.withdrawn(&full_name, revision);
        #[cfg(feature = "mdns-go-micro")]
        if let Some(dialect) = &self.dialect {
            dialect.withdraw(registration);
        }
        own.gone.insert(full_name, Instant::now());
        self.multicast(farewell).await.map(drop)
    }

    /// Takes back the records of nodes that left a while ago.
    async fn clear_up(&self, own: &mut Announced) {
        let done: Vec<_> = own.gone.extract_if(|_, since| since.elapsed() >= LINGER).collect();
        for (full_name, _) in done {
            // They say that the node is gone, so it does no harm where this fails.
            let _ = self.command(|daemon| daemon.unregister(&full_name)).await;
        }
    }

    /// Announces, and says whether any interface took it.
    async fn multicast(&self, info: ServiceInfo) -> Result<bool> {
        let full_name = info.get_fullname().to_owned();
        let events = self.command(ServiceDaemon::monitor).await?;
        self.command(|daemon| daemon.register(info.clone())).await?;
        // Commands are done in their order, so the answer to the last one ends the waiting.
        let status = self.command(ServiceDaemon::status).await?;
        match timeout(ANSWER, status.recv_async()).await {
            Ok(Ok(DaemonStatus::Running)) => Ok(was_announced(&events, &full_name)),
            _ => Err(silent()),
        }
    }

    /// Gives the daemon a command, again where its queue is full.
    async fn command<T>(&self, command: impl Fn(&ServiceDaemon) -> mdns_sd::Result<T>) -> Result<T> {
        let given_up = Instant::now() + ANSWER;
        loop {
            match command(&self.daemon) {
                Ok(done) => return Ok(done),
                Err(mdns_sd::Error::Again) if Instant::now() < given_up => {
                    sleep(Duration::from_millis(2)).await;
                }
                Err(mdns_sd::Error::Again) => return Err(silent()),
                Err(error @ mdns_sd::Error::DaemonShutdown) => {
                    return Err(Error::unavailable("the mDNS daemon has ended; try again").with_source(error));
                }
                Err(error) => return Err(Error::internal(format!("mDNS: {error}")).with_source(error)),
            }
        }
    }

    /// Grows with time, so that a restarted process is ahead of itself, and always.
    fn next_revision(&self) -> u64 {
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let mut last = self.last_revision.lock().unwrap_or_else(PoisonError::into_inner);
        *last = u64::try_from(clock).unwrap_or(u64::MAX).max(last.saturating_add(1));
        *last
    }
}

impl Drop for Session {
    /// Says goodbye for what is still announced, and stops the daemon.
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        #[cfg(feature = "mdns-go-micro")]
        if let Some(dialect) = &mut self.dialect {
            dialect.end(FAREWELL);
        }
        let own = std::mem::take(self.own.get_mut());
        for node in own.nodes.values() {
            if let Ok(farewell) = farewell(&node.registration, self.next_revision()) {
                let _ = self.daemon.register(farewell);
            }
        }
        if let Ok(done) = self.daemon.shutdown()
            && !(own.nodes.is_empty() && own.gone.is_empty())
        {
            let _ = done.recv_timeout(FAREWELL);
        }
        self.nodes.table().end();
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("own", &self.own)
            .field("browsing", &self.browsing.get().is_some())
            .finish_non_exhaustive()
    }
}

fn farewell(registration: &Registration, revision: u64) -> Result<ServiceInfo> {
    info(&Announcement { registration: registration.clone(), revision, gone: true })
}

fn info(announcement: &Announcement) -> Result<ServiceInfo> {
    let (address, port) = network::published(&announcement.registration.node)?;
    let label = name::label(&announcement.registration);
    let properties: Vec<_> = txt::encode(announcement)?.into_iter().map(TxtProperty::from).collect();
    let info = match address {
        Some(ip) => ServiceInfo::new(TYPE, &label, &name::host_name(&label), ip, port, properties),
        None => ServiceInfo::new(TYPE, &label, &name::host_name(&label), (), port, properties)
            .map(ServiceInfo::enable_addr_auto),
    };
    let mut info =
        info.map_err(|error| Error::invalid_argument(format!("mDNS: {error}")).with_source(error))?;
    // Labels are unique, so there is no conflict to probe for, which takes almost a second.
    info.set_requires_probe(false);
    Ok(info)
}

fn was_announced(events: &Receiver<DaemonEvent>, full_name: &str) -> bool {
    events.try_iter().any(|event| match event {
        DaemonEvent::Announce(announced, _) => announced.eq_ignore_ascii_case(full_name),
        _ => false,
    })
}

#[cold]
fn silent() -> Error {
    Error::unavailable(format!("the mDNS daemon did not answer within {ANSWER:?}"))
}

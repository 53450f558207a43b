//! The native wire: a connection for all calls to an address, and a few where there are many at a time.
//!
//! A connection is read and written by one task, on one core at a time. Calls on one are written together, and so
//! the first that is not busy is taken; those that are not needed any more are closed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared as SharedFuture};
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep, timeout};

use super::idle::IDLE_AGE;
use super::open::{self, Opener};
use super::tally::Wire;
use super::{BUSY, STREAM, has_cores};
use crate::error::{Error, Result};
use crate::protocol::native::client::{Connection, NotOpened, open};
use crate::protocol::native::{Bounds, Settings};
use crate::tls;

/// For how long no further connection is made after one could not be.
const PAUSE: Duration = Duration::from_secs(1);

/// For how long a node that does not speak the wire, although its record says so, is not asked again.
const NOT_ASKED: Duration = Duration::from_secs(60);

/// The native connections of a client.
pub(super) struct Home {
    opener: Arc<Opener>,
    settings: Settings,
    bounds: Bounds,
    ways: Mutex<FxHashMap<String, Way>>,
    /// Closes what is idle for too long, while there may be any.
    sweeper: Mutex<Option<AbortHandle>>,
}

enum Way {
    /// At least one, the longest there first, and whether there may be another one.
    Open(Vec<Link>, Growth),
    /// All calls that need the connection wait for the same attempt, which goes on in a task of its own,
    /// whatever becomes of them.
    Connecting(SharedFuture<BoxFuture<'static, Attempt>>),
    /// HTTP answered there.
    Closed(Instant),
}

/// A connection, and how many calls there had been on it when it was last looked at.
struct Link {
    connection: Connection,
    seen: u32,
}

impl Link {
    fn new(connection: Connection) -> Self {
        Self { connection, seen: 0 }
    }

    fn is_closed(&self) -> bool {
        self.connection.is_closed()
    }

    /// Whether there is no call on it.
    fn is_idle(&self) -> bool {
        self.connection.calls() == 0
    }

    /// Whether there was a call on it since this was last asked, or there is one.
    fn was_used(&mut self) -> bool {
        let begun = self.connection.begun();
        std::mem::replace(&mut self.seen, begun) != begun || !self.is_idle()
    }
}

/// Whether another connection may be made.
enum Growth {
    May,
    /// One is on the way.
    Goes,
    /// One could not be made.
    MayAfter(Instant),
}

type Attempt = Result<Found, Arc<Error>>;

/// What was found at an address.
#[derive(Clone)]
pub(super) enum Found {
    /// The connection, and whether it was there before the call.
    Open(Connection, bool),
    /// Somebody who does not speak the wire, and why that is known.
    NotSpoken(Arc<Error>),
}

impl Home {
    pub(super) fn new(opener: Arc<Opener>, settings: Settings, bounds: Bounds) -> Self {
        Self { opener, settings, bounds, ways: Mutex::default(), sweeper: Mutex::default() }
    }

    fn ways(&self) -> MutexGuard<'_, FxHashMap<String, Way>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is a connection to an address, be it full or not.
    pub(super) fn is_open(&self, address: &str) -> bool {
        let ways = self.ways();
        matches!(ways.get(address), Some(Way::Open(links, _)) if links.iter().any(|link| !link.is_closed()))
    }

    /// The connection to an address that is there already.
    pub(super) fn ready(self: &Arc<Self>, address: &str) -> Option<Connection> {
        match self.ways().get_mut(address) {
            Some(Way::Open(links, growth)) => self.choose(address, links, growth),
            _ => None,
        }
    }

    /// The first connection that is not busy, or the one with the fewest calls; then another one is on its way
    /// for the calls to come.
    fn choose(self: &Arc<Self>, address: &str, links: &[Link], growth: &mut Growth) -> Option<Connection> {
        let open = || links.iter().map(|link| &link.connection).filter(|connection| !connection.is_closed());
        if let Some(free) = open().find(|connection| load(connection) < BUSY && connection.has_room()) {
            return Some(free.clone());
        }
        let least = open().min_by_key(|connection| (!connection.has_room(), load(connection)))?;
        let may = match growth {
            Growth::May => true,
            Growth::Goes => false,
            Growth::MayAfter(time) => Instant::now() >= *time,
        };
        if may && open().count() < self.opener.max_connections && (has_cores() || !least.has_room()) {
            *growth = Growth::Goes;
            self.grow(address.to_owned());
        }
        Some(least.clone())
    }

    /// Makes another connection.
    fn grow(self: &Arc<Self>, address: String) {
        let (opener, settings, bounds) = (self.opener.clone(), self.settings, self.bounds);
        let home = Arc::downgrade(self);
        let mut growing = Growing { home, address, outcome: None };
        tokio::spawn(async move {
            let dialed = dial(&opener, &growing.address, settings, bounds);
            growing.outcome = timeout(opener.connect_timeout, dialed).await.ok().and_then(Result::ok);
            if growing.outcome.is_none() {
                opener.tally.fail();
            }
        });
    }

    /// Closes the connections to an address where no node is any more, once their calls have ended.
    pub(super) fn left(&self, address: &str) {
        // It ends with its last call: each holds it.
        self.ways().retain(|known, way| known != address || !matches!(way, Way::Open(..)));
    }

    /// How many connections are without a call.
    pub(super) fn idle_connections(&self) -> usize {
        let idle = |way: &Way| match way {
            Way::Open(links, _) => links.iter().filter(|link| !link.is_closed() && link.is_idle()).count(),
            Way::Connecting(_) | Way::Closed(_) => 0,
        };
        self.ways().values().map(idle).sum()
    }

    /// Closes idle connections, all but one to each address, after [`IDLE_AGE`] and at most twice this time.
    fn sweep(self: &Arc<Self>) {
        let mut sweeper = self.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
        if sweeper.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let home = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            loop {
                sleep(IDLE_AGE).await;
                let Some(home) = home.upgrade() else { return };
                let mut sweeper = home.sweeper.lock().unwrap_or_else(PoisonError::into_inner);
                if !home.prune() {
                    *sweeper = None;
                    return;
                }
            }
        });
        *sweeper = Some(task.abort_handle());
    }

    /// Closes what was not used since the last time, and says whether there is more to look at.
    fn prune(&self) -> bool {
        let mut closed = Vec::new();
        let mut more = false;
        for way in self.ways().values_mut() {
            let Way::Open(links, _) = way else { continue };
            let mut first = true;
            let all = std::mem::take(links);
            for mut link in all {
                let stays = !link.is_closed() && (std::mem::take(&mut first) | link.was_used());
                if stays { links.push(link) } else { closed.push(link) }
            }
            more |= links.len() > 1;
        }
        // They end when they are dropped, and that is not done under the lock.
        drop(closed);
        more
    }

    /// The connection to an address.
    pub(super) async fn get(self: &Arc<Self>, address: &str) -> Result<Found> {
        let attempt = {
            let ways = &mut *self.ways();
            if let Some(Way::Open(links, growth)) = ways.get_mut(address)
                && let Some(connection) = self.choose(address, links, growth)
            {
                return Ok(Found::Open(connection, true));
            }
            match ways.get(address) {
                // One that has ended and still stands here was in a runtime that ended, or panicked.
                Some(Way::Connecting(attempt)) if attempt.peek().is_none() => attempt.clone(),
                Some(Way::Closed(until)) if Instant::now() < *until => {
                    let error = Error::unavailable(format!("{address} does not speak the native wire"));
                    return Ok(Found::NotSpoken(Arc::new(error.never_processed())));
                }
                _ => {
                    // A new connection is a good moment to forget the ones that are gone.
                    ways.retain(|_, way| !way.is_gone());
                    let attempt = self.connect(address.to_owned());
                    ways.insert(address.to_owned(), Way::Connecting(attempt.clone()));
                    attempt
                }
            }
        };
        attempt.await.map_err(open::failed)
    }

    /// Connects for all calls that wait.
    fn connect(self: &Arc<Self>, address: String) -> SharedFuture<BoxFuture<'static, Attempt>> {
        let (opener, settings, bounds) = (self.opener.clone(), self.settings, self.bounds);
        let home = Arc::downgrade(self);
        let task = tokio::spawn(async move {
            let outcome = timeout(opener.connect_timeout, dial(&opener, &address, settings, bounds)).await;
            let attempt = match outcome {
                Ok(Ok(connection)) => Ok(Found::Open(connection, false)),
                Ok(Err(NotOpened { error, speaks: false })) => Ok(Found::NotSpoken(Arc::new(error))),
                Ok(Err(NotOpened { error, speaks: true })) => Err(Arc::new(error)),
                Err(_) => Err(Arc::new(open::too_slow(&opener, &address))),
            };
            // The client may be gone by now, and so are those who waited.
            let Some(home) = home.upgrade() else { return Err(open::broken_off()) };
            let ways = &mut *home.ways();
            match &attempt {
                Ok(Found::Open(connection, _)) => {
                    ways.insert(address, Way::Open(vec![Link::new(connection.clone())], Growth::May));
                }
                Ok(Found::NotSpoken(_)) => {
                    ways.insert(address, Way::Closed(Instant::now() + NOT_ASKED));
                }
                Err(_) => {
                    opener.tally.fail();
                    ways.remove(&address);
                }
            }
            attempt
        });
        async { task.await.unwrap_or_else(|_| Err(open::broken_off())) }.boxed().shared()
    }
}

/// A connection on its way, for an address that has one. However its task ends, there may be another attempt.
struct Growing {
    home: Weak<Home>,
    address: String,
    outcome: Option<Connection>,
}

impl Drop for Growing {
    fn drop(&mut self) {
        let Some(home) = self.home.upgrade() else { return };
        let mut ways = home.ways();
        let Some(Way::Open(links, growth)) = ways.get_mut(&self.address) else { return };
        links.retain(|link| !link.is_closed());
        *growth = match self.outcome.take() {
            Some(connection) => {
                links.push(Link::new(connection));
                Growth::May
            }
            None => Growth::MayAfter(Instant::now() + PAUSE),
        };
        let several = links.len() > 1;
        drop(ways);
        if several && Handle::try_current().is_ok() {
            home.sweep();
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let sweeper = self.sweeper.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(sweeper) = sweeper.take() {
            sweeper.abort();
        }
    }
}

impl Way {
    fn is_gone(&self) -> bool {
        match self {
            Self::Open(links, _) => links.iter().all(Link::is_closed),
            Self::Connecting(attempt) => attempt.peek().is_some(),
            Self::Closed(until) => *until <= Instant::now(),
        }
    }
}

fn load(connection: &Connection) -> usize {
    connection.calls() + connection.streams() * (STREAM - 1)
}

async fn dial(
    opener: &Opener,
    address: &str,
    settings: Settings,
    bounds: Bounds,
) -> Result<Connection, NotOpened> {
    let speaks = |error| NotOpened { error, speaks: true };
    let mut io = opener.transport.connect(address).await.map_err(speaks)?;
    let mut refusal = None;
    if let Some(tls) = &opener.tls {
        // The others are offered so that a server without this one says what it has.
        let offered = &[tls::NATIVE, tls::HTTP2, tls::HTTP1];
        let secured = tls.connect(io, address, offered).await.map_err(speaks)?;
        if secured.agreed.as_deref() != Some(tls::NATIVE) {
            let error =
                Error::unavailable(format!("{address} did not choose the native wire in its handshake"));
            return Err(NotOpened { error: error.never_processed(), speaks: false });
        }
        (io, refusal) = (secured.io, Some(secured.refusal));
    }
    let opened = open(io, settings, bounds, address.into()).await;
    // In TLS 1.3 a client that the server refuses hears of it with the first that it reads.
    let refused = refusal.as_ref().and_then(|refusal| refusal.reason());
    let (connection, task) = opened.map_err(|not_opened| match refused {
        Some(reason) => {
            let message = format!("cannot connect to {address} with TLS: {reason}");
            speaks(Error::unavailable(message).with_source(not_opened.error).never_processed())
        }
        None => not_opened,
    })?;
    let counted = opener.tally.open(Wire::Native);
    tokio::spawn(async move {
        let _open = counted;
        task.await;
    });
    Ok(connection)
}

//! The native wire: a connection for all calls to an address, and a few where there are many at a time.
//!
//! A connection is read and written by one task, on one core at a time. Calls on one are written together, and so
//! the first that is not busy is taken; those that are not needed any more are closed by their server, as idle.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared as SharedFuture};
use rustc_hash::FxHashMap;
use tokio::time::{Instant, timeout};

use super::open::{self, Opener};
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
}

enum Way {
    /// At least one, the longest there first, and whether there may be another one.
    Open(Vec<Connection>, Growth),
    /// All calls that need the connection wait for the same attempt, which goes on in a task of its own,
    /// whatever becomes of them.
    Connecting(SharedFuture<BoxFuture<'static, Attempt>>),
    /// HTTP answered there.
    Closed(Instant),
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
        Self { opener, settings, bounds, ways: Mutex::default() }
    }

    fn ways(&self) -> MutexGuard<'_, FxHashMap<String, Way>> {
        self.ways.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection to an address that is there already.
    pub(super) fn ready(self: &Arc<Self>, address: &str) -> Option<Connection> {
        match self.ways().get_mut(address) {
            Some(Way::Open(connections, growth)) => self.choose(address, connections, growth),
            _ => None,
        }
    }

    /// The first connection that is not busy, or the one with the fewest calls; then another one is on its way
    /// for the calls to come.
    fn choose(
        self: &Arc<Self>,
        address: &str,
        connections: &[Connection],
        growth: &mut Growth,
    ) -> Option<Connection> {
        let open = || connections.iter().filter(|connection| !connection.is_closed());
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
        tokio::spawn(async move {
            let outcome = timeout(opener.connect_timeout, dial(&opener, &address, settings, bounds)).await;
            let Some(home) = home.upgrade() else { return };
            if let Some(Way::Open(connections, growth)) = home.ways().get_mut(&address) {
                connections.retain(|connection| !connection.is_closed());
                *growth = match outcome {
                    Ok(Ok(connection)) => {
                        connections.push(connection);
                        Growth::May
                    }
                    _ => Growth::MayAfter(Instant::now() + PAUSE),
                };
            }
        });
    }

    /// The connection to an address.
    pub(super) async fn get(self: &Arc<Self>, address: &str) -> Result<Found> {
        let attempt = {
            let ways = &mut *self.ways();
            if let Some(Way::Open(connections, growth)) = ways.get_mut(address)
                && let Some(connection) = self.choose(address, connections, growth)
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
                    ways.insert(address, Way::Open(vec![connection.clone()], Growth::May));
                }
                Ok(Found::NotSpoken(_)) => {
                    ways.insert(address, Way::Closed(Instant::now() + NOT_ASKED));
                }
                Err(_) => {
                    ways.remove(&address);
                }
            }
            attempt
        });
        async { task.await.unwrap_or_else(|_| Err(open::broken_off())) }.boxed().shared()
    }
}

impl Way {
    fn is_gone(&self) -> bool {
        match self {
            Self::Open(connections, _) => connections.iter().all(Connection::is_closed),
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
    tokio::spawn(task);
    Ok(connection)
}

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::select;
use rustc_hash::FxHashMap;
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::Connection;
use super::host::{Free, Host};
use super::http1::{Lease, Line};
use super::http2::{self, Attempt, Connecting, Place, Shared};
use super::idle::IDLE_AGE;
use super::open::{self, Offer, Opened, Opener};
use crate::error::Result;

/// Where connections are kept between calls.
pub(super) struct Home {
    opener: Arc<Opener>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    hosts: FxHashMap<String, Host>,
    /// Closes what is idle for too long, while there is any.
    sweeper: Option<AbortHandle>,
}

/// What a call can do.
enum Step {
    Go(Shared, Place),
    Wait(Wait, Arc<Notify>),
    Http1,
}

/// What a call waits for.
enum Wait {
    First(Connecting),
    /// There are connections, which are full.
    More(Connecting),
    Room,
}

/// Who waited wakes the next one when it is done: there may be room for more than one.
struct WakesNext(Arc<Notify>);

impl Drop for WakesNext {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl Home {
    pub(super) fn new(opener: Opener) -> Self {
        Self { opener: Arc::new(opener), state: Mutex::default() }
    }

    pub(super) fn opener(&self) -> &Arc<Opener> {
        &self.opener
    }

    /// Closes the connections to an address where no node is any more, once their calls have ended.
    pub(super) fn left(&self, address: &str) {
        let hosts = &mut self.state().hosts;
        if let Some(host) = hosts.get_mut(address) {
            host.close();
        }
    }

    /// How many connections of HTTP/2 and of HTTP/1.1 are without a call.
    pub(super) fn idle_connections(&self) -> [usize; 2] {
        let state = self.state();
        let shared = state.hosts.values().flat_map(|host| &host.links).filter(|link| link.is_idle()).count();
        [shared, state.hosts.values().map(|host| host.idle.len()).sum()]
    }

    /// Whether there is a connection of HTTP/2 to an address, be it full or not.
    pub(super) fn is_open(&self, address: &str) -> bool {
        self.state().hosts.get(address).is_some_and(|host| host.links.iter().any(|link| !link.is_closed()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place on an HTTP/2 connection to an address; `None` where its server chooses HTTP/1.1. Waits while
    /// there is none.
    pub(super) async fn shared(
        self: &Arc<Self>,
        address: &str,
        offer: Offer,
    ) -> Result<Option<(Shared, Place)>> {
        let mut next = None;
        loop {
            let (connecting, room) = match self.free(address, offer) {
                Step::Http1 => return Ok(None),
                Step::Go(shared, place) => return Ok(Some((shared, place))),
                Step::Wait(connecting, room) => (connecting, room),
            };
            let full = next.get_or_insert_with(|| WakesNext(room)).0.clone();
            match connecting {
                Wait::Room => full.notified().await,
                Wait::More(attempt) => {
                    select(attempt, pin!(full.notified())).await;
                }
                Wait::First(attempt) => match attempt.await.map_err(open::failed)? {
                    None => return Ok(None),
                    Some(shared) => {
                        if let Some(place) = shared.place() {
                            return Ok(Some((shared, place)));
                        }
                    }
                },
            }
        }
    }

    /// What a call can do now. Where another connection is of use, one is made.
    fn free(self: &Arc<Self>, address: &str, offer: Offer) -> Step {
        let state = &mut *self.state();
        if !state.hosts.contains_key(address) {
            // A new connection is a good moment to forget the ones that are gone.
            state.hosts.retain(|_, host| !host.is_gone());
            state.hosts.insert(address.to_owned(), Host::default());
        }
        let Some(host) = state.hosts.get_mut(address) else { return Step::Http1 };
        if host.chose_http1 && offer == Offer::Either {
            return Step::Http1;
        }
        let (free, more) = host.free();
        let mut connecting = host.connecting();
        if more && connecting.is_none() && host.links.len() < self.opener.max_connections.min(host.enough) {
            let attempt = http2::connect(self, address.to_owned(), offer);
            host.connecting = Some(attempt.clone());
            connecting = Some(attempt);
        }
        let waits = match (free, connecting) {
            (Free::On(shared, place), _) => return Step::Go(shared, place),
            (Free::NoConnection, Some(attempt)) => Wait::First(attempt),
            (Free::Full, Some(attempt)) => Wait::More(attempt),
            (Free::Full | Free::NoConnection, None) => Wait::Room,
        };
        Step::Wait(waits, host.room.clone())
    }

    /// A connection to an address for one call: the idle one that was used last, else a new one.
    ///
    /// There is no limit to how many there may be. Each of them is a call that the caller makes; and
    /// calls that had to wait until others end could wait for each other.
    pub(super) async fn alone(self: &Arc<Self>, address: &str, offer: Offer) -> Result<Connection> {
        while let Some(mut line) = self.idle(address) {
            if line.ready().await {
                return Ok(Connection::Http1(Lease::used(self.clone(), line)));
            }
        }
        self.fresh(address, offer).await
    }

    fn idle(&self, address: &str) -> Option<Line> {
        self.state().hosts.get_mut(address)?.idle.take()
    }

    /// A new connection for one call.
    pub(super) async fn fresh(self: &Arc<Self>, address: &str, offer: Offer) -> Result<Connection> {
        let lonely = {
            let hosts = &mut self.state().hosts;
            match hosts.get(address) {
                Some(host) => host.lonely.clone(),
                None => {
                    hosts.retain(|_, host| !host.is_gone());
                    hosts.entry(address.to_owned()).or_default().lonely.clone()
                }
            }
        };
        match open::patiently(self, address, offer, lonely).await.map_err(open::failed)? {
            Opened::Http1(line) => Ok(Connection::Http1(Lease::new(self.clone(), line))),
            Opened::Http2(shared) => {
                self.keep(address, Opened::Http2(shared.clone()));
                let place = shared.place_anyway();
                Ok(Connection::Http2(shared, place))
            }
        }
    }

    /// Keeps a connection for the calls to come.
    pub(super) fn keep(self: &Arc<Self>, address: &str, opened: Opened) {
        let state = &mut *self.state();
        if !state.hosts.contains_key(address) {
            state.hosts.insert(address.to_owned(), Host::default());
        }
        let Some(host) = state.hosts.get_mut(address) else { return };
        match opened {
            Opened::Http2(shared) => {
                host.chose_http1 = false;
                shared.tell(&host.room);
                host.links.push(shared);
            }
            Opened::Http1(line) => host.idle.put(line),
        }
        if !host.is_settled() && state.sweeper.as_ref().is_none_or(AbortHandle::is_finished) {
            state.sweeper = Some(self.sweep());
        }
    }

    /// Notes how connecting ended for all who wait for it; after a failure the next call tries
    /// again.
    pub(super) fn settle(self: &Arc<Self>, address: &str, outcome: open::Outcome) -> Attempt {
        if let Some(host) = self.state().hosts.get_mut(address) {
            host.connecting = None;
            match outcome {
                Ok(Opened::Http2(_)) => {}
                Ok(Opened::Http1(_)) => host.chose_http1 = true,
                // Where there is none at all, the next call tries again.
                Err(_) if !host.links.is_empty() => host.enough = host.links.len(),
                Err(_) => {}
            }
        }
        let opened = outcome?;
        let shared = match &opened {
            Opened::Http2(shared) => Some(shared.clone()),
            Opened::Http1(_) => None,
        };
        self.keep(address, opened);
        Ok(shared)
    }

    /// Closes idle connections, all of HTTP/1.1 and all but one of HTTP/2, after [`IDLE_AGE`] and at most
    /// twice this time.
    fn sweep(self: &Arc<Self>) -> AbortHandle {
        let home = Arc::downgrade(self);
        let sweeper = tokio::spawn(async move {
            loop {
                sleep(IDLE_AGE).await;
                let Some(home) = home.upgrade() else { return };
                let mut state = home.state();
                state.hosts.values_mut().for_each(Host::prune);
                state.hosts.retain(|_, host| !host.is_gone());
                if state.hosts.values().all(Host::is_settled) {
                    state.sweeper = None;
                    return;
                }
            }
        });
        sweeper.abort_handle()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if let Some(sweeper) = self.state().sweeper.take() {
            sweeper.abort();
        }
    }
}

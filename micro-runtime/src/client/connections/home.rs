use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;
use tokio::time::sleep;

use super::Connection;
use super::host::Host;
use super::http1::{Lease, Line};
use super::http2::{self, Attempt, Link, Shared};
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
    hosts: HashMap<String, Host>,
    /// Closes what is idle for too long, while there is any.
    sweeper: Option<AbortHandle>,
}

impl Home {
    pub(super) fn new(opener: Opener) -> Self {
        Self { opener: Arc::new(opener), state: Mutex::default() }
    }

    pub(super) fn opener(&self) -> &Arc<Opener> {
        &self.opener
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The HTTP/2 connection to an address; `None` where its server chooses HTTP/1.1.
    pub(super) async fn shared(self: &Arc<Self>, address: &str, offer: Offer) -> Result<Option<Shared>> {
        let attempt = {
            let hosts = &mut self.state().hosts;
            match hosts.get(address) {
                Some(host) if host.chose_http1 && offer == Offer::Either => return Ok(None),
                Some(Host { link: Some(Link::Open(shared)), .. }) if !shared.is_closed() => {
                    return Ok(Some(shared.again()));
                }
                // One that has ended and still stands here was in a runtime that ended, or panicked.
                Some(Host { link: Some(Link::Connecting(attempt)), .. }) if attempt.peek().is_none() => {
                    attempt.clone()
                }
                _ => {
                    // A new connection is a good moment to forget the ones that are gone.
                    hosts.retain(|_, host| !host.is_gone());
                    let attempt = http2::connect(self, address.to_owned(), offer);
                    let host = hosts.entry(address.to_owned()).or_default();
                    host.link = Some(Link::Connecting(attempt.clone()));
                    attempt
                }
            }
        };
        attempt.await.map_err(open::failed)
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
                Ok(Connection::Http2(shared))
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
                host.link = Some(Link::Open(shared));
            }
            Opened::Http1(line) => {
                host.idle.put(line);
                if state.sweeper.as_ref().is_none_or(AbortHandle::is_finished) {
                    state.sweeper = Some(self.sweep());
                }
            }
        }
    }

    /// Notes how connecting ended for all who wait for it; after a failure the next call tries
    /// again.
    pub(super) fn settle(self: &Arc<Self>, address: &str, outcome: open::Outcome) -> Attempt {
        if !matches!(outcome, Ok(Opened::Http2(_)))
            && let Some(host) = self.state().hosts.get_mut(address)
        {
            host.link = None;
            host.chose_http1 |= outcome.is_ok();
        }
        let opened = outcome?;
        let shared = match &opened {
            Opened::Http2(shared) => Some(shared.clone()),
            Opened::Http1(_) => None,
        };
        self.keep(address, opened);
        Ok(shared)
    }

    /// Closes idle connections after [`IDLE_AGE`] and at most twice this time.
    fn sweep(self: &Arc<Self>) -> AbortHandle {
        let home = Arc::downgrade(self);
        let sweeper = tokio::spawn(async move {
            loop {
                sleep(IDLE_AGE).await;
                let Some(home) = home.upgrade() else { return };
                let mut state = home.state();
                state.hosts.retain(|_, host| !host.is_gone());
                if state.hosts.values().all(|host| host.idle.is_empty()) {
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

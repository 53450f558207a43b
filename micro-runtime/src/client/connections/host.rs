use std::sync::Arc;

use tokio::sync::{Notify, Semaphore};

use super::http2::{Connecting, Place, Shared};
use super::idle::Idle;
use super::{BUSY, has_cores};

/// What a client has of one address.
pub(super) struct Host {
    /// The HTTP/2 connections, the first of them the oldest.
    pub(super) links: Vec<Shared>,
    /// All calls that need a connection wait for the same attempt to connect.
    pub(super) connecting: Option<Connecting>,
    /// Who waits for a place on one of the connections.
    pub(super) room: Arc<Notify>,
    /// How many connections there may be: as many as there were when the last attempt failed to make one
    /// more of them.
    pub(super) enough: usize,
    pub(super) idle: Idle,
    /// Whether its server chose HTTP/1.1 when it was last offered both.
    pub(super) chose_http1: bool,
    /// The permit for the one attempt to connect that may go on for nobody.
    pub(super) lonely: Arc<Semaphore>,
}

/// Where a call may be made now.
pub(super) enum Free {
    On(Shared, Place),
    /// All connections have as many calls as their server takes.
    Full,
    NoConnection,
}

impl Host {
    /// A place on the connection with the least load, and whether one connection more would be of use.
    pub(super) fn free(&mut self) -> (Free, bool) {
        self.links.retain(|link| !link.is_closed());
        if self.links.is_empty() {
            return (Free::NoConnection, true);
        }
        // A few streams are more load than many calls, and take fewer places.
        let roomy = self.links.iter().filter(|link| link.has_room());
        let Some(least) = roomy.min_by_key(|link| link.load()) else { return (Free::Full, true) };
        match least.place() {
            Some(place) => (Free::On(least.again(), place), least.load() > BUSY && has_cores()),
            None => (Free::Full, true),
        }
    }

    /// The attempt to connect that goes on.
    pub(super) fn connecting(&self) -> Option<Connecting> {
        // One that has ended and still stands here was in a runtime that ended, or panicked.
        self.connecting.as_ref().filter(|attempt| attempt.peek().is_none()).cloned()
    }

    /// Closes what was not used since the last time, and forgets what is closed.
    pub(super) fn prune(&mut self) {
        self.idle.prune();
        self.enough = usize::MAX;
        let mut first = true;
        // One connection stays, whatever comes of it.
        self.links.retain(|link| !link.is_closed() && (std::mem::take(&mut first) | link.was_used()));
    }

    /// Lets all go: those with calls end with them, and the others now.
    pub(super) fn close(&mut self) {
        self.links.clear();
        self.idle.clear();
    }

    /// Whether there is nothing that grows old.
    pub(super) fn is_settled(&self) -> bool {
        self.idle.is_empty() && self.links.len() < 2
    }

    /// Whether nothing is left that is of use.
    pub(super) fn is_gone(&self) -> bool {
        self.idle.is_empty() && self.connecting().is_none() && self.links.iter().all(Shared::is_closed)
    }
}

impl Default for Host {
    fn default() -> Self {
        Self {
            links: Vec::new(),
            connecting: None,
            room: Arc::default(),
            enough: usize::MAX,
            idle: Idle::default(),
            chose_http1: false,
            lonely: Arc::new(Semaphore::new(1)),
        }
    }
}

//! The accept loop, from the first connection to the last.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout_at};

use super::cores::Cores;
use super::{Shared, connection};
use crate::context::Origin;
use crate::transport::Listener;

/// How long the loop waits after an error, which is mostly a lack of file descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// A draining server still takes the connections that wait in the queue of the system, which resets
/// them when the listener closes, until none came for the first of these times, and for no longer
/// than the second.
const QUIET: Duration = Duration::from_millis(20);
const LAST_CALL: Duration = Duration::from_millis(200);

/// How often it is said that there are too many connections.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// Accepts connections until the server drains, and then those that are there already.
pub(super) async fn run(listener: Box<dyn Listener>, shared: Arc<Shared>, cores: Option<Cores>) {
    let mut door = Door { listener, shared: shared.clone(), cores, told: None };
    loop {
        tokio::select! {
            () = shared.drain.cancelled() => break,
            () = door.admit() => {}
        }
    }
    let end = Instant::now() + LAST_CALL;
    loop {
        let quiet = end.min(Instant::now() + QUIET);
        let admitted = tokio::select! {
            () = shared.cut.cancelled() => return,
            admitted = timeout_at(quiet, door.admit()) => admitted,
        };
        if admitted.is_err() || Instant::now() >= end {
            return;
        }
    }
}

struct Door {
    listener: Box<dyn Listener>,
    shared: Arc<Shared>,
    /// Where connections are served, if not here.
    cores: Option<Cores>,
    /// When it was last said that there are too many connections.
    told: Option<Instant>,
}

impl Door {
    /// Waits for one connection, and serves it in a task of its own, here or on another runtime.
    async fn admit(&mut self) {
        let Some(permit) = self.room().await else { return };
        let shared = self.shared.clone();
        let accepted = match &self.cores {
            Some(cores) => self.listener.accept_movable().await.map(|(connection, peer)| {
                cores.give(connection, Origin::new(peer, &shared.departure), &shared, permit);
            }),
            None => self.listener.accept().await.map(|(io, peer)| {
                let origin = Origin::new(peer, &shared.departure);
                self.shared.tasks.spawn(connection::serve(io, origin, shared, permit));
            }),
        };
        match accepted {
            Ok(()) => {}
            Err(error) if is_of_one_connection(&error) => {
                tracing::debug!(%error, "a connection was gone before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(PAUSE).await;
            }
        }
    }

    /// Waits until there may be one connection more.
    async fn room(&mut self) -> Option<OwnedSemaphorePermit> {
        let room = &self.shared.room;
        if let Ok(permit) = room.clone().try_acquire_owned() {
            return Some(permit);
        }
        if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
            self.told = Some(Instant::now());
            tracing::warn!(
                limit = self.shared.limits.max_connections,
                "there are as many connections as there may be; new ones wait (the option `max_connections`)"
            );
        }
        // Nobody closes it.
        room.clone().acquire_owned().await.ok()
    }
}

/// Whether the listener is as good as before.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

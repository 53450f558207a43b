//! A runtime for each core: each runs connections of its own on one thread, so that no call goes from
//! thread to thread.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::{Shared, connection};
use crate::context::Origin;
use crate::error::{Error, Result};
use crate::transport::Movable;

/// The runtimes of a server. They go on until the server has ended.
pub(super) struct Cores(Vec<Core>);

struct Core {
    // Not bounded itself: each entry has a permit of those that there are for connections.
    connections: UnboundedSender<Moved>,
    open: Arc<AtomicUsize>,
}

/// A connection on its way to its runtime.
struct Moved {
    connection: Movable,
    peer: Arc<Origin>,
    permit: OwnedSemaphorePermit,
    shared: Arc<Shared>,
    counted: Counted,
    /// A server that stops waits for it here already.
    _token: TaskTrackerToken,
}

/// Counts a connection until it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Cores {
    /// Starts so many runtimes, each on a thread of its own.
    pub(super) fn start(count: usize, tasks: &TaskTracker) -> Result<Self> {
        let core = |number| Core::start(number, tasks.clone());
        let cores: io::Result<Vec<_>> = (0..count.max(1)).map(core).collect();
        cores.map(Self).map_err(|error| {
            let message = format!("cannot start a runtime for each core: {error}");
            Error::resource_exhausted(message).with_source(error)
        })
    }

    /// Gives a connection to the runtime that has the fewest.
    pub(super) fn give(
        &self,
        connection: Movable,
        peer: Arc<Origin>,
        shared: &Arc<Shared>,
        permit: OwnedSemaphorePermit,
    ) {
        let Some(core) = self.0.iter().min_by_key(|core| core.open.load(Ordering::Relaxed)) else { return };
        core.open.fetch_add(1, Ordering::Relaxed);
        let counted = Counted(core.open.clone());
        let (shared, token) = (shared.clone(), shared.tasks.token());
        // It takes connections for as long as this can give it any.
        let _ = core.connections.send(Moved { connection, peer, permit, shared, counted, _token: token });
    }
}

impl Core {
    fn start(number: usize, tasks: TaskTracker) -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (connections, given) = unbounded_channel();
        thread::Builder::new().name(format!("micro-core-{number}")).spawn(move || {
            runtime.block_on(async {
                take(given).await;
                // What still runs here is part of what the server waits for.
                tasks.wait().await;
            });
        })?;
        Ok(Self { connections, open: Arc::default() })
    }
}

/// Serves the connections that are given to this runtime, until there can be no more.
async fn take(mut given: UnboundedReceiver<Moved>) {
    while let Some(Moved { connection, peer, permit, shared, counted, _token }) = given.recv().await {
        match connection() {
            Ok(io) => {
                let tasks = shared.tasks.clone();
                tasks.spawn(async move {
                    connection::serve(io, peer, shared, permit).await;
                    drop(counted);
                });
            }
            Err(error) => {
                tracing::debug!(peer = &**peer, %error, "a connection was gone before it was served")
            }
        }
    }
}

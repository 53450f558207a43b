//! The server: accepts connections, tells HTTP/1.1 from HTTP/2, hands requests to the protocols,
//! and drains.

mod activity;
mod connection;
mod head_timeout;
mod limits;
mod sniff;

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use limits::Limits;

use crate::protocol::Site;
use crate::transport::Listener;
use activity::Activity;

/// How long the accept loop waits after an error, which is mostly a lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listening server.
pub(crate) struct Server {
    address: String,
    shared: Arc<Shared>,
}

/// What the connections of a server have in common.
struct Shared {
    site: Site,
    limits: Limits,
    activity: Arc<Activity>,
    connections: TaskTracker,
    /// Finish what is in hand and take nothing new.
    drain: CancellationToken,
    /// Finish now.
    cut: CancellationToken,
}

impl Server {
    /// Serves on a listener, in tasks of its own.
    pub(crate) fn start(listener: Box<dyn Listener>, site: Site, limits: Limits) -> Self {
        let shared = Arc::new(Shared {
            site,
            limits,
            activity: Arc::default(),
            connections: TaskTracker::new(),
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        let address = listener.address();
        shared.connections.spawn(accept(listener, shared.clone()));
        Self { address, shared }
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Takes no new connections or calls, lets the calls in flight finish for up to `limit`, then
    /// cuts the rest off. Returns how many calls were cut.
    pub(crate) async fn stop(&self, limit: Duration) -> usize {
        let shared = &self.shared;
        shared.drain.cancel();
        shared.connections.close();
        if timeout(limit, shared.connections.wait()).await.is_ok() {
            return 0;
        }
        let cut = shared.activity.in_flight();
        shared.cut.cancel();
        shared.connections.wait().await;
        cut
    }
}

/// A server that is let go without [`Server::stop`] stops at once.
impl Drop for Server {
    fn drop(&mut self) {
        self.shared.drain.cancel();
        self.shared.cut.cancel();
    }
}

async fn accept(mut listener: Box<dyn Listener>, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            () = shared.drain.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((io, peer)) => {
                shared.connections.spawn(connection::serve(io, peer.into(), shared.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

//! The server: accepts connections, tells HTTP/1.1 from HTTP/2, hands requests to the protocols,
//! and drains.
//!
//! Around the protocols stand the tower layers of [`Service::layer`](crate::Service::layer), and
//! beside them the HTTP service of [`Service::mount`](crate::Service::mount).

mod accept;
mod activity;
mod body;
mod connection;
mod cores;
mod cors;
mod front;
mod head_timeout;
mod http2;
mod http_service;
mod limits;
mod local;
mod native;
mod opening;
mod panics;
mod peer;
mod sniff;
mod stall;
mod upgrade;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use body::{RequestBody, ResponseBody};
pub use cors::Cors;
pub(crate) use front::Surroundings;
pub use http_service::HttpService;
pub use limits::Limits;
pub use peer::Peer;

use crate::context::Departure;
use crate::error::Result;
use crate::metrics::Metrics;
use crate::protocol::Site;
use crate::tls::Acceptor;
use crate::transport::Listener;
use activity::Activity;
use cores::Cores;
use front::Front;
use local::Gate;

/// How long a server that stops waits for handlers that were cut off. They end at once, unless one
/// of them blocks its thread.
const LAST_WAIT: Duration = Duration::from_secs(5);

/// A listening server.
pub(crate) struct Server {
    address: String,
    shared: Arc<Shared>,
}

/// What the connections of a server have in common.
struct Shared {
    front: Front,
    limits: Limits,
    /// What a service with TLS accepts connections with.
    tls: Option<Acceptor>,
    activity: Arc<Activity>,
    /// Where callers in the same process come in.
    gate: Gate,
    /// A permit for every connection that may still come.
    room: Arc<Semaphore>,
    /// The tasks of the server: the accept loop, the connections, and the calls of HTTP/2.
    tasks: TaskTracker,
    /// What calls are told of the stop, and what they tell of their end.
    departure: Departure,
    /// Finish what is in hand and take nothing new.
    drain: CancellationToken,
    /// Finish now.
    cut: CancellationToken,
}

impl Server {
    /// Serves on a listener, in tasks of its own; on so many runtimes of its own as well, where there are to
    /// be any. Then the listener must give connections to others.
    pub(crate) fn start(
        listener: Box<dyn Listener>,
        site: Site,
        surroundings: Surroundings,
        limits: Limits,
        tls: Option<Acceptor>,
        cores: Option<usize>,
        departure: Departure,
    ) -> Result<Self> {
        let tasks = TaskTracker::new();
        let cores = match cores {
            // Those that have started end with the tracker they wait for.
            Some(count) => Some(Cores::start(count, &tasks).inspect_err(|_| {
                tasks.close();
            })?),
            None => None,
        };
        let shared = Arc::new(Shared {
            front: Front::new(site, surroundings, departure.clone()),
            departure,
            room: Arc::new(Semaphore::new(limits.max_connections)),
            limits,
            tls,
            activity: Arc::default(),
            gate: Gate::default(),
            tasks,
            drain: CancellationToken::new(),
            cut: CancellationToken::new(),
        });
        let address = listener.address();
        shared.tasks.spawn(accept::run(listener, shared.clone(), cores));
        Ok(Self { address, shared })
    }

    /// Shows its connections.
    pub(crate) fn observe(&self, metrics: &Metrics) {
        metrics.observe(&self.shared, |shared, samples| {
            // One permit is with who waits for the next connection.
            let waits = usize::from(!shared.drain.is_cancelled());
            let free = shared.room.available_permits() + waits;
            let open = shared.limits.max_connections.saturating_sub(free);
            let help = "Connections that are open.";
            samples.gauge("micro_server_connections", help, &[], open as f64);
            let help = "Requests on connections that are in flight, those included that are no calls.";
            let calls = shared.activity.in_flight();
            samples.gauge("micro_server_requests_in_flight", help, &[], calls as f64);
        });
    }

    /// The address it listens on.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Takes no new connections or calls, lets the calls in flight finish for up to `limit`, then
    /// cuts the rest off. Says what was cut. When this returns, no handler runs.
    pub(crate) async fn stop(&self, limit: Duration) -> Cut {
        let shared = &self.shared;
        shared.gate.close();
        shared.departure.begin();
        shared.drain.cancel();
        shared.tasks.close();
        if timeout(limit, shared.tasks.wait()).await.is_ok() {
            return Cut::default();
        }
        let all = shared.activity.in_flight() + shared.gate.inside();
        shared.departure.cut();
        shared.cut.cancel();
        if timeout(LAST_WAIT, shared.tasks.wait()).await.is_err() {
            let (tasks, waited) = (shared.tasks.len(), humantime::format_duration(LAST_WAIT));
            tracing::error!(
                tasks,
                "calls that were cut off still run after {waited}: do their handlers block a thread?"
            );
        }
        Cut { all, methods: shared.departure.lost() }
    }
}

/// What was cut off when a server stopped.
#[derive(Debug, Default)]
pub(crate) struct Cut {
    /// All that was in flight: calls, answers that were not taken, and requests of what is mounted.
    pub(crate) all: usize,
    /// The calls whose handlers were not done, by the paths of their methods.
    pub(crate) methods: BTreeMap<&'static str, usize>,
}

/// A server that is let go without [`Server::stop`] stops at once.
impl Drop for Server {
    fn drop(&mut self) {
        self.shared.gate.close();
        self.shared.departure.begin();
        self.shared.drain.cancel();
        self.shared.cut.cancel();
        // Its own runtimes end with the last task.
        self.shared.tasks.close();
    }
}

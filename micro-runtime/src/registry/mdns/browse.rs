use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mdns_sd::{Receiver, RecvTimeoutError, ServiceDaemon, ServiceEvent};

use super::nodes::Nodes;
use super::{SETTLE, TYPE, txt};

/// The pause before browsing again where it could not be started, or ended.
const PAUSE: Duration = Duration::from_millis(100);

/// Keeps `nodes` up to date until `closing`, on a thread of its own: a registry may be shared by
/// services on different tokio runtimes, and outlive the one it was first used on.
pub(super) fn start(
    daemon: ServiceDaemon,
    nodes: Arc<Nodes>,
    closing: Arc<AtomicBool>,
) -> std::io::Result<()> {
    let thread = thread::Builder::new().name("micro-mdns".to_owned());
    thread.spawn(move || browse(&daemon, &nodes, &closing)).map(drop)
}

fn browse(daemon: &ServiceDaemon, nodes: &Nodes, closing: &AtomicBool) {
    // The subscription ends when its reader falls a thousand events behind, and what it missed is
    // unknown. A new round replays what the daemon knows; what a round did not see is gone.
    for round in 1.. {
        match daemon.browse(TYPE) {
            Ok(events) => listen(&events, nodes, round),
            Err(mdns_sd::Error::DaemonShutdown) => break,
            Err(error) => tracing::debug!(%error, "cannot browse mDNS now"),
        }
        if closing.load(Ordering::SeqCst) {
            break;
        }
        thread::sleep(PAUSE);
    }
    nodes.table().end();
}

/// Returns when the subscription ended.
fn listen(events: &Receiver<ServiceEvent>, nodes: &Nodes, round: u64) {
    let settles = Instant::now() + SETTLE;
    loop {
        match events.recv_deadline(settles) {
            Ok(event) => take(event, nodes, round),
            Err(RecvTimeoutError::Timeout) => break,
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
    nodes.settled(round);
    while let Ok(event) = events.recv() {
        take(event, nodes, round);
    }
}

fn take(event: ServiceEvent, nodes: &Nodes, round: u64) {
    match event {
        ServiceEvent::ServiceResolved(service) => match txt::decode(&service.txt_properties) {
            Some(announcement) => nodes.resolved(&service.fullname.to_lowercase(), announcement, round),
            None => tracing::debug!(name = service.fullname, "ignored an mDNS record that is no node's"),
        },
        // The daemon says where it browses in words only: `… on 2 interfaces [lo (1), eth0 (2)]`.
        ServiceEvent::SearchStarted(where_to) => nodes.began(!where_to.ends_with("[]")),
        ServiceEvent::ServiceRemoved(_, full_name) => nodes.removed(&full_name.to_lowercase()),
        _ => {}
    }
}

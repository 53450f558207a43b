//! How many connections there are and were.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::metrics::Samples;

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    Native,
    Http2,
    Http1,
}

const WIRES: [(Wire, &str); 3] = [(Wire::Native, "native"), (Wire::Http2, "http2"), (Wire::Http1, "http1")];

/// The counts of a client.
#[derive(Debug, Default)]
pub(in crate::client) struct Tally {
    opened: [AtomicU64; WIRES.len()],
    ended: [AtomicU64; WIRES.len()],
    failed: AtomicU64,
}

impl Tally {
    /// A connection is open until what is returned is dropped.
    pub(super) fn open(self: &Arc<Self>, wire: Wire) -> Open {
        self.opened[wire as usize].fetch_add(1, Ordering::Relaxed);
        Open(self.clone(), wire)
    }

    /// A connection could not be made.
    pub(super) fn fail(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn show(&self, samples: &mut Samples<'_>) {
        for (wire, name) in WIRES {
            let ended = self.ended[wire as usize].load(Ordering::Relaxed);
            let opened = self.opened[wire as usize].load(Ordering::Relaxed);
            if opened == 0 {
                continue;
            }
            let labels = [("wire", name)];
            let open = opened.saturating_sub(ended) as f64;
            samples.gauge("micro_client_connections", "Connections that are open.", &labels, open);
            let help = "Connections that were made.";
            samples.counter("micro_client_connections_opened", help, &labels, opened as f64);
        }
        let failed = self.failed.load(Ordering::Relaxed) as f64;
        let help = "Attempts to connect that failed.";
        samples.counter("micro_client_connections_failed", help, &[], failed);
    }

    /// How many connections wait for calls.
    pub(super) fn show_idle(samples: &mut Samples<'_>, wire: Wire, idle: usize) {
        let name = WIRES[wire as usize].1;
        let help = "Connections that are open and without a call.";
        samples.gauge("micro_client_connections_idle", help, &[("wire", name)], idle as f64);
    }
}

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Open(Arc<Tally>, Wire);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.ended[self.1 as usize].fetch_add(1, Ordering::Relaxed);
    }
}

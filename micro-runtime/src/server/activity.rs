use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::error::Error;
use crate::protocol::body::WireBody;

/// Counts the calls of a server, or of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_flight: AtomicUsize,
    started: AtomicU64,
    /// Whether anything was read since the last call began or ended.
    heard: AtomicBool,
}

impl Activity {
    /// The calls that are not answered to the end.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The calls there ever were.
    pub(super) fn started(&self) -> u64 {
        self.started.load(Ordering::Relaxed)
    }

    /// Notes that the peer sent something.
    pub(super) fn hear(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// Whether the peer of an HTTP/1.1 connection has begun a request and not sent its whole head.
    pub(super) fn awaits_head(&self) -> bool {
        self.heard.load(Ordering::Relaxed) && self.in_flight() == 0
    }

    /// Counts a call until the token is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InFlight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.started.fetch_add(1, Ordering::Relaxed);
        self.heard.store(false, Ordering::Relaxed);
        InFlight(self.clone())
    }
}

/// One call in flight.
#[derive(Debug)]
pub(super) struct InFlight(Arc<Activity>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.0.heard.store(false, Ordering::Relaxed);
    }
}

/// A response body that counts as in flight until it is sent.
pub(super) struct Counted {
    pub(super) body: WireBody,
    pub(super) _calls: [InFlight; 2],
}

impl Body for Counted {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        Pin::new(&mut self.body).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::body::ResponseBody;
use crate::error::Error;

/// Counts the calls of a server, or of one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_flight: AtomicUsize,
    started: AtomicU64,
    /// Whether anything was read since the last call began or ended.
    heard: AtomicBool,
    /// The bodies of requests that are not read to their end, be their call over or not.
    bodies: AtomicUsize,
    /// Whether the connection is to end with what is in flight.
    leaving: AtomicBool,
    /// What counts for a connection that has become something else than HTTP.
    upgraded: OnceLock<InFlight>,
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
        self.heard.load(Ordering::Relaxed)
            && self.in_flight() == 0
            && self.bodies.load(Ordering::Relaxed) == 0
    }

    /// Notes that no request is to follow those in flight.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    /// Whether no request is to follow those in flight.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Notes that the connection becomes something else than HTTP, which counts as a call of the
    /// server until the connection is gone.
    pub(super) fn upgrade(&self, server: &Arc<Self>) {
        self.upgraded.get_or_init(|| server.begin());
    }

    /// Whether the connection has become something else than HTTP.
    pub(super) fn is_upgraded(&self) -> bool {
        self.upgraded.get().is_some()
    }

    /// Counts a call that is over already.
    pub(super) fn count(&self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a body until the token is dropped. What arrives meanwhile is no head, also where the call was
    /// answered early and the rest of its body comes behind the answer.
    pub(super) fn read(self: &Arc<Self>) -> Reading {
        self.bodies.fetch_add(1, Ordering::Relaxed);
        Reading(self.clone())
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

/// The body of a request that is not read to its end.
#[derive(Debug)]
pub(super) struct Reading(Arc<Activity>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.heard.store(false, Ordering::Relaxed);
        self.0.bodies.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A response body that counts as in flight until it is sent.
pub(super) struct Counted {
    pub(super) body: ResponseBody,
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

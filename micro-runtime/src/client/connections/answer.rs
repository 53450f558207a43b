use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::http1::Lease;
use super::http2::{Place, Upload};
use crate::error::{Error, Result};
use crate::protocol::http2::Received;
use crate::protocol::read_limits::broken_off;

/// The body of an answer. Dropping it before its end breaks the call off.
pub(in crate::client) struct AnswerBody(Kind);

enum Kind {
    Http1 {
        body: Incoming,
        /// The connection that nobody else has until the end.
        lease: Option<Lease>,
    },
    Http2 {
        body: Received,
        /// What is still sent.
        _upload: Upload,
        _place: Place,
    },
}

impl AnswerBody {
    pub(super) fn shared(body: Received, upload: Upload, place: Place) -> Self {
        Self(Kind::Http2 { body, _upload: upload, _place: place })
    }

    pub(super) fn leased(body: Incoming, lease: Lease) -> Self {
        let mut lease = Some(lease);
        look(&body, &mut lease);
        Self(Kind::Http1 { body, lease })
    }
}

/// Lets the connection go where this is the end, which is not always asked for.
fn look(body: &Incoming, lease: &mut Option<Lease>) {
    if lease.is_some() && body.is_end_stream() {
        end(lease);
    }
}

fn end(lease: &mut Option<Lease>) {
    if let Some(lease) = lease.take() {
        lease.done();
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let (body, lease) = match &mut self.0 {
            Kind::Http1 { body, lease } => (body, lease),
            Kind::Http2 { body, .. } => return Pin::new(body).poll_frame(task),
        };
        let polled = Pin::new(&mut *body).poll_frame(task);
        match &polled {
            Poll::Ready(None) => end(lease),
            Poll::Ready(Some(Ok(_))) => look(body, lease),
            Poll::Ready(Some(Err(_))) => *lease = None,
            Poll::Pending => {}
        }
        polled.map(|frame| frame.map(|frame| frame.map_err(broken_off)))
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Http1 { body, .. } => body.is_end_stream(),
            Kind::Http2 { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Http1 { body, .. } => body.size_hint(),
            Kind::Http2 { body, .. } => body.size_hint(),
        }
    }
}

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::http1::Lease;

/// The body of an answer. Dropping it before its end breaks the call off.
pub(in crate::client) struct AnswerBody {
    body: Incoming,
    /// The connection that nobody else has until the end, for HTTP/1.1.
    lease: Option<Lease>,
}

impl AnswerBody {
    pub(super) fn shared(body: Incoming) -> Self {
        Self { body, lease: None }
    }

    pub(super) fn leased(body: Incoming, lease: Lease) -> Self {
        let mut answer = Self { body, lease: Some(lease) };
        answer.look();
        answer
    }

    /// Lets the connection go where this is the end, which is not always asked for.
    fn look(&mut self) {
        if self.lease.is_some() && self.body.is_end_stream() {
            self.end();
        }
    }

    fn end(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.done();
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(task);
        match &polled {
            Poll::Ready(None) => self.end(),
            Poll::Ready(Some(Ok(_))) => self.look(),
            Poll::Ready(Some(Err(_))) => self.lease = None,
            Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

//! The sending side of a client's call, which all protocols have in common.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use http::Uri;
use http::uri::PathAndQuery;
use tokio::sync::oneshot;

use super::Target;
use super::body::{Enveloped, WireBody};
use super::compressing::Compress;
use crate::endpoint::{Encode, MethodDescriptor, Outbound};
use crate::error::{Error, Result};

/// The reading side of a call. While it lives, the request stream goes on; when it is dropped, the
/// request stream is broken off, so that the server hears of it also while somebody still holds
/// the sender of the request.
pub(crate) struct ReadingSide {
    failure: Failure,
    _alive: oneshot::Sender<Infallible>,
}

/// Where the error of a request stream waits for the call that it broke.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<Error>>>);

impl ReadingSide {
    /// The error of the request stream, if that is what failed, and `error` otherwise.
    pub(crate) fn explain(&self, error: Error) -> Error {
        self.failure.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }
}

/// The body of a request that is made of envelopes.
pub(crate) fn enveloped(body: Outbound, compress: Option<Compress>) -> (WireBody, ReadingSide) {
    let failure = Failure::default();
    let (alive, gone) = oneshot::channel();
    let messages = Messages { messages: Some(body.into_messages()), gone, failure: failure.clone() };
    let end = |ended: Result<()>, _: &mut _| ended.map(|()| None);
    let body = Enveloped::new(Box::pin(messages), compress, Box::new(end));
    (WireBody::Stream(Box::pin(body)), ReadingSide { failure, _alive: alive })
}

/// The path of a method, which is not copied.
pub(crate) fn path(method: &MethodDescriptor) -> Result<PathAndQuery> {
    PathAndQuery::from_maybe_shared(Bytes::from_static(method.path.as_bytes())).map_err(|error| {
        Error::internal(format!("`{}` cannot be the path of a method", method.path)).with_source(error)
    })
}

/// Where a request goes.
pub(crate) fn uri(target: Target<'_>, path_and_query: PathAndQuery) -> Result<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(target.scheme.clone());
    parts.authority = Some(target.authority.clone());
    parts.path_and_query = Some(path_and_query);
    Uri::from_parts(parts).map_err(|error| {
        Error::invalid_argument(format!("`{}` is not an address", target.authority)).with_source(error)
    })
}

/// The request stream as it is sent: a panic in the user's stream is an error of this call and not
/// the end of the connection, which is shared.
struct Messages {
    /// `None` once they have ended.
    messages: Option<Pin<Box<dyn Encode>>>,
    gone: oneshot::Receiver<Infallible>,
    failure: Failure,
}

impl Encode for Messages {
    fn poll_encode(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut BytesMut,
    ) -> Poll<Option<Result<()>>> {
        let this = &mut *self;
        let Some(messages) = &mut this.messages else { return Poll::Ready(None) };
        if this.gone.poll_unpin(task).is_ready() {
            this.messages = None;
            return Poll::Ready(Some(Err(reset())));
        }
        let polled = catch_unwind(AssertUnwindSafe(|| messages.as_mut().poll_encode(task, buffer)));
        let error = match polled {
            Ok(Poll::Ready(Some(Err(error)))) => error,
            Ok(Poll::Ready(None)) => {
                this.messages = None;
                return Poll::Ready(None);
            }
            Ok(polled) => return polled,
            Err(_) => Error::internal("the request stream panicked"),
        };
        this.messages = None;
        *this.failure.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.maybe_processed());
        Poll::Ready(Some(Err(reset())))
    }
}

/// Resets the stream: hyper takes the reason out of the source.
fn reset() -> Error {
    Error::canceled("the request stream was broken off").with_source(h2::Error::from(h2::Reason::CANCEL))
}

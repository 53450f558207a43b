use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use bytes::BytesMut;
use futures_util::FutureExt as _;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Uri, Version};
use tokio::sync::oneshot;

use crate::endpoint::{Encode, Outbound};
use crate::error::{Error, Result};
use crate::protocol::body::{Enveloped, WireBody};
use crate::protocol::connect::{PROTOCOL_VERSION, TIMEOUT, media_type};
use crate::protocol::{Outgoing, headers};

/// The reading side of a call. While it lives, the request stream goes on; when it is dropped, the
/// request stream is broken off, so that the server hears of it also while somebody still holds
/// the sender of the request.
pub(super) struct ReadingSide {
    failure: Failure,
    _alive: oneshot::Sender<Infallible>,
}

/// Where the error of a request stream waits for the call that it broke.
#[derive(Clone, Default)]
struct Failure(Arc<Mutex<Option<Error>>>);

impl ReadingSide {
    /// The error of the request stream, if that is what failed, and `error` otherwise.
    pub(super) fn explain(&self, error: Error) -> Error {
        self.failure.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }
}

/// The HTTP request of a call.
pub(super) fn build(outgoing: Outgoing, authority: &str) -> Result<(Request<WireBody>, ReadingSide)> {
    let timeout = outgoing.remaining();
    let Outgoing { method, codec, metadata, body, .. } = outgoing;
    let failure = Failure::default();
    let (alive, gone) = oneshot::channel();
    let body = match body {
        Outbound::One(message) if method.is_unary() => WireBody::full(message),
        Outbound::Many(_) if method.is_unary() => {
            return Err(Error::internal("a stream is sent where one message is due"));
        }
        body => {
            let messages = Messages { messages: Some(body.into_messages()), gone, failure: failure.clone() };
            let end = |ended: Result<()>, _: &mut _| ended.map(|()| None);
            WireBody::Stream(Box::pin(Enveloped::new(Box::pin(messages), Box::new(end))))
        }
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri(authority, method.path)?;
    let head = request.headers_mut();
    let media_type = media_type(&codec, !method.is_unary())
        .ok_or_else(|| Error::invalid_argument(format!("`{}` is not a content subtype", codec.name())))?;
    head.insert(CONTENT_TYPE, media_type);
    head.insert(PROTOCOL_VERSION, HeaderValue::from_static("1"));
    if let Some(timeout) = timeout {
        // At most ten digits, which is over a hundred days. Rounded up, so that this side's own
        // clock, which is exact, is the one that ends the call.
        let millis = timeout.as_micros().div_ceil(1000).clamp(1, 9_999_999_999);
        head.insert(TIMEOUT, HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX)));
    }
    headers::extend(head, &metadata, "");
    Ok((request, ReadingSide { failure, _alive: alive }))
}

fn uri(authority: &str, path: &'static str) -> Result<Uri> {
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Authority::try_from(authority).ok();
    parts.path_and_query = PathAndQuery::try_from(path).ok();
    Uri::from_parts(parts).map_err(|error| {
        Error::invalid_argument(format!("`{authority}` is not an address")).with_source(error)
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

//! What a message is answered with. The status is always 200.

use bytes::Bytes;
use http::Response;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};

use crate::codec::Codec;
use crate::context::Incoming;
use crate::endpoint::{MethodDescriptor, Outbound};
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::head;
use crate::protocol::mucp::{error, frame};

/// A call that came to nothing.
pub(super) struct Failure {
    pub(super) error: Error,
    /// The method that failed, if the call got so far.
    pub(super) method: Option<&'static MethodDescriptor>,
}

/// The answer of a call that reached its handler. Nothing of the request is repeated but the content
/// type: no client of go-micro looks at the rest.
pub(super) fn unary(
    answer: Result<Outbound>,
    content_type: Option<&HeaderValue>,
    codec: &Codec,
    method: &'static MethodDescriptor,
    incoming: &Incoming,
) -> Response<WireBody> {
    let mut response = match answer.and_then(Outbound::into_message) {
        Ok(message) => whole(message, content_type, codec),
        Err(error) => failed(Failure { error, method: Some(method) }),
    };
    frame::extend(response.headers_mut(), &incoming.reply.take_headers());
    frame::extend(response.headers_mut(), &incoming.reply.take_trailers());
    match head::check(response.headers()) {
        Ok(()) => response,
        Err(error) => bare(&Failure { error, method: Some(method) }),
    }
}

/// An error.
pub(super) fn failed(failure: Failure) -> Response<WireBody> {
    let mut response = bare(&failure);
    frame::extend(response.headers_mut(), failure.error.metadata());
    match head::check(response.headers()) {
        Ok(()) => response,
        Err(_) => bare(&failure),
    }
}

/// An answer that says nothing.
pub(super) fn empty() -> Response<WireBody> {
    Response::new(WireBody::full(""))
}

/// What comes behind a stream that is not served: its connection is of no more use.
pub(super) fn over() -> Response<WireBody> {
    let mut response = empty();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn whole(message: Bytes, content_type: Option<&HeaderValue>, codec: &Codec) -> Response<WireBody> {
    // Go takes an empty body for broken JSON.
    let nothing = message.is_empty() && codec.name() == "json";
    let message = if nothing { Bytes::from_static(b"{}") } else { message };
    let mut response = Response::new(WireBody::full(message));
    let content_type = content_type.cloned().unwrap_or(frame::PROTOBUF);
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// An error without its metadata.
#[cold]
fn bare(failure: &Failure) -> Response<WireBody> {
    let mut response = empty();
    let value = error::to_header(&failure.error, failure.method);
    response.headers_mut().insert(frame::ERROR, value);
    response
}

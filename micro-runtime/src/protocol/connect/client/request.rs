use bytes::BytesMut;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request};

use super::get;
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::compressing::{self, Compress};
use crate::protocol::connect::{
    PROTOCOL_VERSION, STREAM_ACCEPT_ENCODING, STREAM_CONTENT_ENCODING, TIMEOUT, media_type,
};
use crate::protocol::sending::{ReadingSide, enveloped, path, uri};
use crate::protocol::{Outgoing, Target, headers};

/// The request of a call with one message each way.
pub(super) fn unary(mut outgoing: Outgoing, target: Target<'_>) -> Result<Request<WireBody>> {
    let mut message = outgoing.take_body().into_message()?;
    if let Some(compression) = outgoing.compression {
        let mut compressed = BytesMut::new();
        compression.compress(&message, &mut compressed)?;
        message = compressed.freeze();
    }
    if outgoing.http_get
        && outgoing.method.http_get
        && let Some(path) = get::path_and_query(&outgoing, &message)
    {
        let mut request = head(&outgoing, target, path, WireBody::full(""), &ACCEPT_ENCODING)?;
        *request.method_mut() = Method::GET;
        return Ok(request);
    }
    let path = path(outgoing.method)?;
    let mut request = head(&outgoing, target, path, WireBody::full(message), &ACCEPT_ENCODING)?;
    of_body(&outgoing, request.headers_mut(), CONTENT_ENCODING)?;
    request.headers_mut().insert(PROTOCOL_VERSION, HeaderValue::from_static("1"));
    Ok(request)
}

/// The request of any other call.
pub(super) fn stream(mut outgoing: Outgoing, target: Target<'_>) -> Result<(Request<WireBody>, ReadingSide)> {
    let compress = outgoing.compression.map(|compression| Compress { compression, from: 0 });
    let (body, side) = enveloped(outgoing.take_body(), compress);
    let path = path(outgoing.method)?;
    let mut request = head(&outgoing, target, path, body, &STREAM_ACCEPT_ENCODING)?;
    of_body(&outgoing, request.headers_mut(), STREAM_CONTENT_ENCODING)?;
    request.headers_mut().insert(PROTOCOL_VERSION, HeaderValue::from_static("1"));
    Ok((request, side))
}

/// What every request has.
fn head(
    outgoing: &Outgoing,
    target: Target<'_>,
    path: PathAndQuery,
    body: WireBody,
    accept_encoding: &HeaderName,
) -> Result<Request<WireBody>> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = target.version;
    *request.uri_mut() = uri(target, path)?;
    let head = request.headers_mut();
    if let Some(accepted) = compressing::accepted() {
        head.insert(accept_encoding, accepted);
    }
    if let Some(timeout) = outgoing.remaining() {
        // At most ten digits, which is over a hundred days. Rounded up, so that this side's own
        // clock, which is exact, is the one that ends the call.
        let millis = timeout.as_micros().div_ceil(1000).clamp(1, 9_999_999_999);
        head.insert(TIMEOUT, HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX)));
    }
    headers::extend(head, &outgoing.metadata, "");
    Ok(request)
}

/// What a request with a body says of it.
fn of_body(outgoing: &Outgoing, head: &mut HeaderMap, content_encoding: HeaderName) -> Result<()> {
    let codec = &outgoing.codec;
    let media_type = media_type(codec, !outgoing.method.is_unary())
        .ok_or_else(|| Error::invalid_argument(format!("`{}` is not a content subtype", codec.name())))?;
    head.insert(CONTENT_TYPE, media_type);
    if let Some(compression) = outgoing.compression {
        head.insert(content_encoding, HeaderValue::from_static(compression.name()));
    }
    Ok(())
}

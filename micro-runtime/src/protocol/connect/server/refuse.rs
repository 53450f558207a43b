//! Responses to requests that reached no handler.

use bytes::BytesMut;
use http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, Response, StatusCode};

use crate::codec::Codec;
use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Error};
use crate::protocol::body::WireBody;
use crate::protocol::connect::content_type;
use crate::protocol::connect::end_stream::EndStream;
use crate::protocol::connect::error::WireError;
use crate::protocol::connect::media_type::subtype;
use crate::protocol::media_type::without_prefix;
use crate::protocol::{Site, headers};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

#[cold]
pub(super) fn unsupported(site: &Site, method: &MethodDescriptor, given: &str) -> Response<WireBody> {
    let stream = !method.is_unary();
    let known: Vec<_> = readable(site, method).map(|codec| content_type(codec, stream)).collect();
    let (path, known) = (method.path, known.join(", "));
    let what = match given {
        "" => "there is no content type".to_owned(),
        given => format!("`{path}` does not take content type `{given}`"),
    };
    let hint = if stream {
        format!("`{path}` streams, each message in an envelope; send one of: {known}")
    } else {
        format!("send one of: {known} (with curl: -H 'content-type: application/json')")
    };
    let mut response = unsupported_media_type(&format!("{what}; {hint}"));
    // What is no call of any protocol may be somebody else's, who does not read our errors.
    if !given.is_empty() && without_prefix(given, "application/").is_none() {
        let text = HeaderValue::from_static("text/plain; charset=utf-8");
        response.headers_mut().insert(CONTENT_TYPE, text);
        *response.body_mut() = WireBody::full(format!("{what}; {hint}\n"));
    }
    if let Ok(known) = HeaderValue::from_str(&known) {
        response.headers_mut().insert(ACCEPT_POST, known);
    }
    response
}

#[cold]
pub(super) fn unsupported_in_query(
    site: &Site,
    method: &MethodDescriptor,
    given: &str,
) -> Response<WireBody> {
    let known: Vec<_> = readable(site, method).map(Codec::name).collect();
    let (path, known) = (method.path, known.join(", "));
    let what = match given {
        "" => "there is no `encoding` in the query".to_owned(),
        given => format!("`{path}` does not take `encoding={given}`"),
    };
    let hint = format!("send one of: {known} (`{path}?encoding=json&message=%7B%7D`)");
    unsupported_media_type(&format!("{what}; {hint}"))
}

fn readable<'a>(site: &'a Site, method: &'a MethodDescriptor) -> impl Iterator<Item = &'a Codec> {
    site.codecs.iter().filter(|codec| method.request.reads(codec))
}

/// The status says it all; a client that maps it to a code of its own finds the same one here.
fn unsupported_media_type(message: &str) -> Response<WireBody> {
    json(StatusCode::UNSUPPORTED_MEDIA_TYPE, &Error::new(Code::Unknown, message))
}

#[cold]
pub(super) fn not_found(verb: &Method, headers: &HeaderMap, error: &Error) -> Response<WireBody> {
    // A stream has its error at its end; anything else is told what a browser is told of a page that is not there.
    if verb == Method::POST && type_of_stream(headers).is_some() {
        return failed(headers, error);
    }
    json(StatusCode::NOT_FOUND, error)
}

#[cold]
pub(super) fn wrong_method(given: &Method, method: &MethodDescriptor) -> Response<WireBody> {
    let allowed = if method.http_get { "GET, POST" } else { "POST" };
    let message = format!("`{}` is called with {allowed}, not with {given}", method.path);
    let mut response = json(StatusCode::METHOD_NOT_ALLOWED, &Error::unknown(message));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    response
}

/// An error before it was known how the method answers: in the form that the caller reads.
#[cold]
pub(super) fn failed(headers: &HeaderMap, error: &Error) -> Response<WireBody> {
    match type_of_stream(headers) {
        Some(content_type) => ended(content_type.clone(), error),
        None => json(error.code().http_status(), error),
    }
}

fn type_of_stream(headers: &HeaderMap) -> Option<&HeaderValue> {
    let is_stream =
        |value: &&HeaderValue| value.to_str().ok().and_then(subtype).is_some_and(|(stream, _)| stream);
    headers.get(CONTENT_TYPE).filter(is_stream)
}

/// A stream of nothing but an error.
#[cold]
pub(super) fn ended(content_type: HeaderValue, error: &Error) -> Response<WireBody> {
    let mut body = BytesMut::new();
    // Writing a short JSON object to memory does not fail; without it the stream just ends.
    let _ = EndStream::failed(error).write(&mut body);
    let mut response = Response::new(WireBody::full(body.freeze()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// An error as the body of a response.
pub(super) fn json(status: StatusCode, error: &Error) -> Response<WireBody> {
    let body = serde_json::to_vec(&WireError::from(error)).unwrap_or_default();
    let mut response = Response::new(WireBody::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::extend(response.headers_mut(), error.metadata(), "");
    if let Some(seconds) = error.retry_after_header() {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_a_stream_for_who_sends_one_in_any_case_of_letters() {
        for (content_type, status) in [("Application/Connect+JSON; x=y", 200), ("application/json", 400)] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static(content_type))]);
            let response = failed(&headers, &Error::invalid_argument("no"));
            assert_eq!(response.status(), status, "{content_type}");
        }
    }
}

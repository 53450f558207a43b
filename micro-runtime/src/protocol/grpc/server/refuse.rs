//! Responses to requests that reached no handler.

use http::header::{ALLOW, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode, Version};

use super::answer::trailers_only;
use super::call::content_type;
use super::caller::Caller;
use crate::error::Error;
use crate::protocol::body::WireBody;
use crate::protocol::compressing;
use crate::protocol::grpc::{ACCEPT_ENCODING, Dialect};
use crate::protocol::media_type::essence;

/// The response to a request that cannot be a call at all.
pub(super) fn no_call(head: &Parts, dialect: Dialect) -> Option<Response<WireBody>> {
    if dialect == Dialect::Grpc && head.version < Version::HTTP_2 {
        let text = "gRPC needs HTTP/2, and this is HTTP/1.1: call with HTTP/2, or with gRPC-Web \
                    (application/grpc-web) or Connect (application/json)\n";
        return Some(page(StatusCode::HTTP_VERSION_NOT_SUPPORTED, text.to_owned()));
    }
    if head.method != Method::POST {
        let text = format!("a call of gRPC is made with POST, not with {}\n", head.method);
        let mut response = page(StatusCode::METHOD_NOT_ALLOWED, text);
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return Some(response);
    }
    None
}

/// The response to a call that cannot be served.
#[cold]
pub(super) fn failed(caller: &Caller, headers: &HeaderMap, error: Error) -> Response<WireBody> {
    // Its own type is one that the caller reads, and there is no message that would not be of it.
    let content_type = HeaderValue::from_str(essence(content_type(headers)));
    let content_type = content_type.unwrap_or(HeaderValue::from_static(caller.dialect.media_type()));
    let mut response = trailers_only(caller, content_type, error);
    // A client that used a compression that is not here learns so what it can use.
    if let Some(accepted) = compressing::accepted() {
        response.headers_mut().insert(ACCEPT_ENCODING, accepted);
    }
    response
}

#[cold]
fn page(status: StatusCode, text: String) -> Response<WireBody> {
    let mut response = Response::new(WireBody::full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Version};

use crate::endpoint::{MethodDescriptor, camel_case};
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::mucp::frame::{self, ENDPOINT, ID, METHOD, SERVICE, STREAM, TIMEOUT};
use crate::protocol::sending::uri;
use crate::protocol::{Outgoing, Target};

/// The request of a call.
pub(super) fn of(outgoing: Outgoing, target: Target<'_>) -> Result<Request<WireBody>> {
    let Outgoing { method, codec, .. } = &outgoing;
    let media_type = frame::media_type(codec)
        .ok_or_else(|| Error::invalid_argument(format!("`{}` is not a content subtype", codec.name())))?;
    let service = header("the name of the service", target.service)?;
    let endpoint = header("the name of the method", &endpoint(method))?;
    let mut headers = HeaderMap::new();
    frame::extend(&mut headers, &outgoing.metadata);
    headers.insert(SERVICE, service);
    headers.insert(METHOD, endpoint.clone());
    headers.insert(ENDPOINT, endpoint);
    // Go takes a request for a part of the one before, and throws it away, if the two have the same
    // number here and that one has only just been answered. It tells streams from other calls by its
    // handlers, and not by this header.
    let number = number();
    headers.insert(ID, number.clone());
    headers.insert(STREAM, number);
    headers.insert(ACCEPT, media_type.clone());
    headers.insert(CONTENT_TYPE, media_type);
    if let Some(timeout) = outgoing.remaining() {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1);
        headers.insert(TIMEOUT, HeaderValue::from(nanos));
    }

    let mut request = Request::new(WireBody::full(outgoing.body.into_message()?));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = uri(target, PathAndQuery::from_static("/"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// What go-micro calls a method: the last part of the contract's name, and the names as Go has them.
fn endpoint(method: &MethodDescriptor) -> String {
    let service = method.service.rsplit('.').next().unwrap_or(method.service);
    format!("{}.{}", camel_case(service), camel_case(method.name))
}

fn header(what: &str, text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| {
        Error::invalid_argument(format!("{what} `{text}` cannot be in a header")).with_source(error)
    })
}

/// A number that no other call on the connection has.
fn number() -> HeaderValue {
    HeaderValue::from(fastrand::u64(..))
}

use http::header::{CONTENT_TYPE, HeaderValue, TE, USER_AGENT};
use http::{Method, Request};

use crate::endpoint::Outbound;
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::compressing::{self, Compress};
use crate::protocol::grpc::{ACCEPT_ENCODING, Dialect, ENCODING, timeout};
use crate::protocol::sending::{ReadingSide, enveloped, path, uri};
use crate::protocol::{Outgoing, Target, headers};

/// Who we are.
const AGENT: &str = concat!("micro/", env!("CARGO_PKG_VERSION"));

/// The request of a call.
pub(super) fn of(
    mut outgoing: Outgoing,
    target: Target<'_>,
    dialect: Dialect,
) -> Result<(Request<WireBody>, Option<ReadingSide>)> {
    let compress = outgoing.compression.map(|compression| Compress { compression, from: 0 });
    let (body, side) = match outgoing.take_body() {
        Outbound::One(message) => {
            let (message, compression) = compressing::message(compress, message)?;
            (WireBody::envelope(message, compression.is_some(), None)?, None)
        }
        messages => {
            let (body, side) = enveloped(messages, compress);
            (body, Some(side))
        }
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = target.version;
    *request.uri_mut() = uri(target, path(outgoing.method)?)?;
    let head = request.headers_mut();
    let codec = &outgoing.codec;
    let content_type = dialect
        .header(codec)
        .ok_or_else(|| Error::invalid_argument(format!("`{}` is not a content subtype", codec.name())))?;
    head.insert(CONTENT_TYPE, content_type);
    head.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    if dialect == Dialect::Grpc {
        // Says that nothing on the way here drops trailers.
        head.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(compression) = outgoing.compression {
        head.insert(ENCODING, HeaderValue::from_static(compression.name()));
    }
    if let Some(accepted) = compressing::accepted() {
        head.insert(ACCEPT_ENCODING, accepted);
    }
    if let Some(left) = outgoing.remaining() {
        head.insert(timeout::TIMEOUT, timeout::write(left));
    }
    headers::extend(head, &outgoing.metadata, "");
    Ok((request, side))
}

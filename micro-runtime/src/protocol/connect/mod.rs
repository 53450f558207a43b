//! The Connect protocol (<https://connectrpc.com/docs/protocol/>): unary calls are plain `POST`s
//! with the message as the body, which is what `curl` sends; streams put each message into an
//! envelope and end with one that carries the error and the trailers.

pub(crate) mod client;
mod end_stream;
mod error;
mod media_type;
pub(crate) mod server;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};

use crate::codec::Codec;

/// The flag of the last envelope of a response.
const END_STREAM: u8 = 0b10;

const PROTOCOL_VERSION: &str = "connect-protocol-version";
const TIMEOUT: &str = "connect-timeout-ms";

/// The headers of streams for what HTTP's own say of whole bodies.
const STREAM_CONTENT_ENCODING: HeaderName = HeaderName::from_static("connect-content-encoding");
const STREAM_ACCEPT_ENCODING: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// Whether these headers can only be those of a call in Connect.
pub(super) fn is_call(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    headers.contains_key(PROTOCOL_VERSION)
        || content_type.and_then(media_type::subtype).is_some_and(|(stream, _)| stream)
}

fn content_type(codec: &Codec, stream: bool) -> String {
    let name = codec.name();
    if stream { format!("application/connect+{name}") } else { format!("application/{name}") }
}

/// The content type of a message or a stream; `None` where the codec's name cannot be in a header.
fn media_type(codec: &Codec, stream: bool) -> Option<HeaderValue> {
    match (codec.name(), stream) {
        ("json", false) => Some(HeaderValue::from_static("application/json")),
        ("proto", false) => Some(HeaderValue::from_static("application/proto")),
        _ => HeaderValue::try_from(content_type(codec, stream)).ok(),
    }
}

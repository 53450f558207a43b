//! The headers of a message.

use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};

use crate::codec::Codec;
use crate::event::{Envelope, Headers};
use crate::metadata::{Metadata, is_reserved};
use crate::protocol::headers;
use crate::protocol::media_type::{essence, without_prefix};

/// The name that the called service is registered by.
pub(super) const SERVICE: HeaderName = HeaderName::from_static("micro-service");
/// What is called: `Greeter.Hello`.
pub(super) const ENDPOINT: HeaderName = HeaderName::from_static("micro-endpoint");
/// The same, under an older name.
pub(super) const METHOD: HeaderName = HeaderName::from_static("micro-method");
/// The number of the call.
pub(super) const ID: HeaderName = HeaderName::from_static("micro-id");
/// The number of the stream that the message belongs to.
pub(super) const STREAM: HeaderName = HeaderName::from_static("micro-stream");
/// How the call ended, where it failed.
pub(super) const ERROR: HeaderName = HeaderName::from_static("micro-error");
/// Of an event, what it is about.
pub(super) const TOPIC: HeaderName = HeaderName::from_static("micro-topic");
/// How long the call may take, in nanoseconds.
pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("timeout");

const X_ENDPOINT: HeaderName = HeaderName::from_static("x-micro-endpoint");
const X_METHOD: HeaderName = HeaderName::from_static("x-micro-method");

/// Where the name of the endpoint may stand, the best place first.
const NAMES: [HeaderName; 4] = [ENDPOINT, METHOD, X_ENDPOINT, X_METHOD];

/// What is called, if anything is. What is not text names nothing that there is.
pub(super) fn endpoint(headers: &HeaderMap) -> Option<&str> {
    NAMES.iter().find_map(|name| text(headers, name))
}

/// What the event is about, if the message is one.
pub(super) fn topic(headers: &HeaderMap) -> Option<&str> {
    text(headers, &TOPIC)
}

/// Whether the message only says that a stream of messages is over.
pub(super) fn ends_stream(headers: &HeaderMap) -> bool {
    headers.contains_key(ERROR) && headers.contains_key(STREAM)
}

/// The headers that are metadata.
pub(super) fn metadata(headers: &HeaderMap) -> Metadata {
    let mut metadata = Metadata::new();
    for (name, value) in headers {
        let name = name.as_str();
        if !is_reserved(name) && !is_of_frame(name) {
            headers::add(&mut metadata, name, value.as_bytes());
        }
    }
    metadata
}

/// Adds metadata, without what would be taken for something else.
pub(super) fn extend(headers: &mut HeaderMap, metadata: &Metadata) {
    for (name, value) in metadata.iter().filter(|(name, _)| !is_of_frame(name)) {
        let value = HeaderValue::from_bytes(&headers::to_wire(name, value));
        // Both were checked when they were put into the metadata.
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value) {
            headers.append(name, value);
        }
    }
}

/// The headers of an event, as a broker would bring them: those of the frame are called as go-micro does, and all others
/// are in lower case, because that is how they come.
pub(super) fn event_headers(headers: &HeaderMap) -> Headers {
    let mut known = Headers::with_capacity(headers.len());
    for (name, header) in
        [(Envelope::CONTENT_TYPE, CONTENT_TYPE), (Envelope::TOPIC, TOPIC), (Envelope::ID, ID)]
    {
        if let Some(value) = text(headers, &header) {
            known.set(name, value);
        }
    }
    for (name, value) in headers {
        let name = name.as_str();
        if let Ok(value) = value.to_str()
            && !is_reserved(name)
            && !is_of_frame(name)
        {
            known.set(name.to_owned(), value);
        }
    }
    known
}

/// The content type of messages in this encoding.
pub(super) fn media_type(codec: &Codec) -> Option<HeaderValue> {
    match codec.name() {
        "json" => Some(HeaderValue::from_static("application/json")),
        "proto" => Some(PROTOBUF),
        name => HeaderValue::try_from(format!("application/{name}")).ok(),
    }
}

/// The content type of protobuf, and of messages without a content type.
pub(super) const PROTOBUF: HeaderValue = HeaderValue::from_static("application/protobuf");

/// The name of the codec that a content type is about; parameters say nothing here.
pub(super) fn codec_name(content_type: &HeaderValue) -> Option<&str> {
    let name = without_prefix(essence(content_type.to_str().ok()?), "application/")?;
    Some(if name == "protobuf" { "proto" } else { name })
}

/// Whether a header belongs to the protocol and is not metadata.
fn is_of_frame(name: &str) -> bool {
    let micro = name.strip_prefix("x-").unwrap_or(name).strip_prefix("micro-");
    let of_micro = |name| {
        matches!(
            name,
            "service" | "endpoint" | "method" | "id" | "stream" | "error" | "topic" | "protocol" | "target"
        )
    };
    micro.map_or(name == TIMEOUT.as_str(), of_micro)
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).map(|value| value.to_str().unwrap_or("?")).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn headers(entries: &[(&str, &[u8])]) -> HeaderMap {
        let entry = |(name, value): &(&str, &[u8])| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_bytes(value).unwrap())
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn an_endpoint_has_four_places() {
        assert_eq!(endpoint(&headers(&[("X-Micro-Method", b"A.B")])), Some("A.B"));
        let both = headers(&[("Micro-Method", b"A.B"), ("Micro-Endpoint", b"C.D")]);
        assert_eq!(endpoint(&both), Some("C.D"));
        let empty = headers(&[("Micro-Endpoint", b""), ("Micro-Method", b"A.B")]);
        assert_eq!(endpoint(&empty), Some("A.B"));
        assert_eq!(endpoint(&headers(&[("Micro-Service", b"greeter")])), None);
    }

    #[test]
    fn the_headers_of_the_protocol_are_no_metadata() {
        let headers = headers(&[
            ("Timeout", b"5"),
            ("Micro-Id", b"1"),
            ("X-Micro-Error", b"EOS"),
            ("Content-Type", b"application/json"),
            ("User-Agent", b"Go-http-client/1.1"),
            ("Micro-Namespace", b"acme"),
            ("Tenant", b"umbrella"),
        ]);
        let metadata = metadata(&headers);
        let names: Vec<_> = metadata.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["micro-namespace", "tenant"]);
    }

    #[test]
    fn content_types_name_codecs() {
        let of = |content_type| codec_name(&HeaderValue::from_static(content_type)).map(str::to_owned);
        assert_eq!(of("application/protobuf").as_deref(), Some("proto"));
        assert_eq!(of("application/json; charset=utf-8").as_deref(), Some("json"));
        assert_eq!(of("text/plain"), None);
        for codec in [Codec::JSON, Codec::PROTO] {
            assert_eq!(codec_name(&media_type(&codec).unwrap()), Some(codec.name()));
        }
    }

    proptest! {
        #[test]
        fn any_headers_are_a_message_or_none(
            entries in vec(("(x-)?(micro-)?(endpoint|topic|error|stream|timeout|[a-z]{1,6})", vec(any::<u8>(), 0..20)), 0..10),
        ) {
            let mut headers = HeaderMap::new();
            for (name, value) in &entries {
                if let Ok(value) = HeaderValue::from_bytes(value) {
                    headers.append(HeaderName::try_from(name).unwrap(), value.clone());
                    let _ = codec_name(&value);
                }
            }
            let _ = (endpoint(&headers), topic(&headers), ends_stream(&headers));
            let mut out = HeaderMap::new();
            extend(&mut out, &metadata(&headers));
            prop_assert!(out.keys().all(|name| !is_of_frame(name.as_str())));
        }
    }
}

//! An event as JetStream keeps it: the body is the payload, and the headers are those of NATS where they can be.

use async_nats::HeaderMap;
use async_nats::header::{HeaderName, HeaderValue};
use bytes::Bytes;

use crate::broker::{Envelope, Headers};

/// Has the headers as JSON, where some cannot be headers of NATS.
const HEADERS: &str = "Micro-Headers";

/// Headers that begin so are NATS' own.
const OWN: &str = "Nats-";

/// What a stored event is.
pub(super) fn write(envelope: &Envelope) -> (HeaderMap, Bytes) {
    let headers = plain(&envelope.headers).unwrap_or_else(|| {
        let pairs: Vec<_> = envelope.headers.iter().collect();
        let mut headers = HeaderMap::new();
        // JSON of strings is always written, and has no ends of lines.
        if let Ok(Ok(json)) = serde_json::to_string(&pairs).map(|json| json.parse::<HeaderValue>()) {
            headers.insert(HEADERS, json);
        }
        headers
    });
    (headers, envelope.body.clone())
}

/// The event that is stored.
pub(super) fn read(headers: Option<&HeaderMap>, payload: Bytes) -> Envelope {
    let mut envelope = Envelope::new(payload);
    let Some(stored) = headers else { return envelope };
    if let Some(json) = stored.get(HEADERS)
        && let Ok(pairs) = serde_json::from_str::<Vec<(String, String)>>(json.as_str())
    {
        envelope.headers = pairs.into_iter().collect();
        return envelope;
    }
    for (name, values) in stored.iter() {
        let name: &str = name.as_ref();
        if let Some(value) = values.last().filter(|_| !name.starts_with(OWN)) {
            envelope.headers.set(name.to_owned(), value.as_str());
        }
    }
    envelope
}

/// The same headers in NATS; `None` where they would not come back as they are.
fn plain(headers: &Headers) -> Option<HeaderMap> {
    let mut plain = HeaderMap::new();
    for (name, value) in headers.iter() {
        let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
            && !name.is_empty()
            && !name.starts_with(OWN)
            && name != HEADERS
            && value.bytes().all(|byte| (b' '..=b'~').contains(&byte))
            && value.trim() == value
            && !value.is_empty();
        if !fits {
            return None;
        }
        plain.insert(name.parse::<HeaderName>().ok()?, value.parse::<HeaderValue>().ok()?);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn usual_headers_are_those_of_nats_and_others_are_kept_as_well() {
        let envelope = Envelope::new("x").with("Content-Type", "text/plain").with("ce-id", "1");
        let (headers, payload) = write(&envelope);
        assert_eq!(headers.get("ce-id").map(HeaderValue::as_str), Some("1"));
        assert_eq!(&*payload, b"x");
        for odd in ["two\r\nlines", " spaces ", "größe", ""] {
            let envelope = envelope.clone().with("odd", odd);
            let (headers, payload) = write(&envelope);
            assert!(headers.get("odd").is_none());
            assert_eq!(read(Some(&headers), payload), envelope);
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            pairs in prop::collection::vec(("[ -~ß]{0,8}", "\\PC{0,8}|.{0,4}"), 0..6),
            body in prop::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut envelope = Envelope::new(body);
            envelope.headers = pairs.into_iter().collect();
            let (headers, payload) = write(&envelope);
            let mut read = read(Some(&headers), payload);
            // NATS keeps no order.
            let sorted = |headers: &Headers| {
                let mut pairs: Vec<_> = headers.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                pairs.sort();
                pairs.into_iter().collect::<Headers>()
            };
            read.headers = sorted(&read.headers);
            envelope.headers = sorted(&envelope.headers);
            prop_assert_eq!(read, envelope);
        }
    }
}

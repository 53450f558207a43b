//! An event as NATS carries it.

use async_nats::HeaderMap;
use bytes::Bytes;

use super::super::check::{LARGEST_HEADERS, MOST_HEADERS};
use super::super::{Envelope, envelope_json};

/// Reads an event. What is not in go-micro's format is from a program that knows nothing of it: then the
/// payload is the event, and the headers are those of NATS. So nothing is ever lost because it is not understood.
pub(super) fn read(payload: &Bytes, headers: Option<&HeaderMap>) -> Envelope {
    match envelope_json::read(payload) {
        Ok(envelope) if envelope != Envelope::default() || says_that_it_is_empty(payload) => envelope,
        _ => plain(payload, headers),
    }
}

/// JSON that has nothing of an event is no event.
fn says_that_it_is_empty(payload: &[u8]) -> bool {
    let has = |name: &[u8]| payload.windows(name.len()).any(|part| part.eq_ignore_ascii_case(name));
    payload.len() <= 64 && (has(b"\"Header\"") || has(b"\"Body\""))
}

fn plain(payload: &Bytes, headers: Option<&HeaderMap>) -> Envelope {
    let mut envelope = Envelope::new(payload.clone());
    let mut bytes = 0;
    for (name, values) in headers.into_iter().flat_map(HeaderMap::iter) {
        let Some(value) = values.last() else { continue };
        let name: &str = name.as_ref();
        bytes += name.len() + value.as_str().len();
        if bytes > LARGEST_HEADERS || envelope.headers.len() >= MOST_HEADERS {
            break;
        }
        envelope.headers.set(name.to_owned(), value.as_str());
    }
    envelope
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_event_of_go_micro_is_read_and_one_of_others_is_taken_as_it_is() {
        let go = Bytes::from_static(br#"{"Header":{"Content-Type":"application/json"},"Body":"e30="}"#);
        let read_ = read(&go, None);
        assert_eq!((read_.headers.get("Content-Type"), &*read_.body), (Some("application/json"), &b"{}"[..]));

        let mut headers = HeaderMap::new();
        headers.insert("Content-Type", "text/plain");
        for other in ["hello", "{\"id\":1}", "{}", "", "{\"Body\":7}", "null", "{\"Body\":\"no base64!\"}"] {
            let event = read(&Bytes::from(other), Some(&headers));
            assert_eq!(
                (&*event.body, event.headers.get("Content-Type")),
                (other.as_bytes(), Some("text/plain"))
            );
        }
        assert_eq!(read(&Bytes::from_static(b"{\"Header\":null,\"Body\":\"\"}"), None), Envelope::default());
    }

    #[test]
    fn headers_without_end_are_not_held() {
        let mut headers = HeaderMap::new();
        for number in 0..1000 {
            headers.insert(format!("name-{number}"), "value");
        }
        assert_eq!(read(&Bytes::from_static(b"x"), Some(&headers)).headers.len(), MOST_HEADERS);
    }

    proptest! {
        #[test]
        fn whatever_comes_is_an_event(payload in prop::collection::vec(any::<u8>(), 0..200)) {
            read(&payload.into(), None);
        }

        #[test]
        fn what_is_written_is_read(body in prop::collection::vec(any::<u8>(), 0..200), value in ".{0,20}") {
            let envelope = Envelope::new(body).with(Envelope::CE_KEY, value);
            prop_assert_eq!(read(&envelope_json::write(&envelope), None), envelope);
        }
    }
}

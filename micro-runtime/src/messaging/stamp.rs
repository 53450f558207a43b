//! What goes with every event: who published it, when, and which one it is.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::broker::{Envelope, Headers};
use crate::context::Context;

/// Headers that say something about the event, and are not to be set from elsewhere.
const OURS: [&str; 8] = [
    Envelope::CONTENT_TYPE,
    Envelope::TOPIC,
    Envelope::ID,
    Envelope::CE_VERSION,
    Envelope::CE_ID,
    Envelope::CE_SOURCE,
    Envelope::CE_TYPE,
    Envelope::CE_TIME,
];

/// What is said about one event.
pub(super) struct Stamp<'a> {
    pub(super) topic: &'a str,
    pub(super) source: &'a str,
    pub(super) content_type: String,
    pub(super) id: Option<String>,
    pub(super) key: Option<String>,
}

impl Stamp<'_> {
    /// The headers of the event: its attributes, its trace, and the metadata that calls made in this context would
    /// send, as go-micro has it.
    pub(super) fn headers(self, ctx: &Context) -> Headers {
        let mut headers = Headers::with_capacity(OURS.len() + 2 + ctx.outgoing().len());
        let id = self.id.unwrap_or_else(new_id);
        headers.set(Envelope::CONTENT_TYPE, self.content_type);
        headers.set(Envelope::TOPIC, self.topic);
        headers.set(Envelope::ID, id.clone());
        headers.set(Envelope::CE_VERSION, "1.0");
        headers.set(Envelope::CE_ID, id);
        headers.set(Envelope::CE_SOURCE, self.source);
        headers.set(Envelope::CE_TYPE, self.topic);
        headers.set(Envelope::CE_TIME, humantime::format_rfc3339_millis(SystemTime::now()).to_string());
        if let Some(key) = self.key {
            headers.set(Envelope::CE_KEY, key);
        }
        for name in [Envelope::TRACE_PARENT, Envelope::TRACE_STATE] {
            if let Some(value) = ctx.metadata().get(name) {
                headers.set(name, value);
            }
        }
        for (name, value) in ctx.outgoing().iter() {
            if let Ok(value) = std::str::from_utf8(value)
                && !is_ours(name)
            {
                headers.set(name.to_owned(), value);
            }
        }
        headers
    }
}

/// Whether a header of this name says something about the event itself, in whatever case it is written.
pub(super) fn is_ours(name: &str) -> bool {
    OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name)) || Envelope::CE_KEY.eq_ignore_ascii_case(name)
}

/// An id that no other event has: a UUID of version 7 (RFC 9562), which begins with the time.
fn new_id() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
    let mut random = [0; 10];
    fastrand::fill(&mut random);
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(ctx: &Context, id: Option<&str>) -> Headers {
        let stamp = Stamp {
            topic: "greeted",
            source: "greeter",
            content_type: "application/json".to_owned(),
            id: id.map(str::to_owned),
            key: Some("ada".to_owned()),
        };
        stamp.headers(ctx)
    }

    #[test]
    fn an_event_says_what_it_is_to_go_micro_and_to_cloud_events() {
        let headers = headers(&Context::new(), Some("one"));
        let expected = [
            ("Content-Type", "application/json"),
            ("Micro-Topic", "greeted"),
            ("Micro-ID", "one"),
            ("ce-specversion", "1.0"),
            ("ce-id", "one"),
            ("ce-source", "greeter"),
            ("ce-type", "greeted"),
            ("ce-partitionkey", "ada"),
        ];
        for (name, value) in expected {
            assert_eq!(headers.get(name), Some(value), "{name}");
        }
        let time = humantime::parse_rfc3339(headers.get("ce-time").unwrap()).unwrap();
        assert!(time.elapsed().unwrap().as_secs() < 60);
    }

    #[test]
    fn ids_differ_and_begin_with_the_time() {
        let ids: std::collections::BTreeSet<_> = (0..1000).map(|_| new_id()).collect();
        assert_eq!(ids.len(), 1000);
        let first = uuid::Uuid::parse_str(ids.first().unwrap()).unwrap();
        assert_eq!(first.get_version_num(), 7);
    }

    #[test]
    fn metadata_of_the_context_goes_along_and_does_not_change_what_the_event_says_of_itself() {
        let ctx =
            Context::new().with_metadata("tenant", "acme").unwrap().with_metadata("ce-id", "forged").unwrap();
        let headers = headers(&ctx, None);
        assert_eq!(headers.get("tenant"), Some("acme"));
        assert!(uuid::Uuid::parse_str(headers.get("ce-id").unwrap()).is_ok());
    }

    #[test]
    fn the_trace_that_a_handler_is_called_in_goes_on() {
        let mut metadata = crate::Metadata::new();
        let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        metadata.insert("traceparent", parent).unwrap();
        metadata.insert("authorization", "secret").unwrap();
        let headers = headers(&Context::of_call(metadata), None);
        assert_eq!(headers.get("traceparent"), Some(parent));
        assert_eq!(headers.get("authorization"), None);
    }
}

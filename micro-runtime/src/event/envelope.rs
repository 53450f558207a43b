use bytes::Bytes;

use super::Headers;

/// An event as a broker carries it: headers and bytes.
///
/// Some headers have a meaning for everybody; their names are here. They are go-micro's, those of CloudEvents in its
/// binary mode (`ce-…`, <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/http-protocol-binding.md>), and those of
/// W3C Trace Context.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// What goes with the event.
    pub headers: Headers,
    /// The encoded event.
    pub body: Bytes,
}

impl Envelope {
    /// How the body is encoded: `application/json`.
    pub const CONTENT_TYPE: &'static str = "Content-Type";
    /// The topic that it was published to, as go-micro says it.
    pub const TOPIC: &'static str = "Micro-Topic";
    /// What tells the event from all others, as go-micro says it: the same as [`CE_ID`](Self::CE_ID).
    pub const ID: &'static str = "Micro-ID";
    /// The version of CloudEvents: `1.0`.
    pub const CE_VERSION: &'static str = "ce-specversion";
    /// What tells the event from all others.
    pub const CE_ID: &'static str = "ce-id";
    /// Who published it.
    pub const CE_SOURCE: &'static str = "ce-source";
    /// What kind of event it is: the topic.
    pub const CE_TYPE: &'static str = "ce-type";
    /// When it was published (RFC 3339).
    pub const CE_TIME: &'static str = "ce-time";
    /// The key of the event: those with the same key belong in order.
    pub const CE_KEY: &'static str = "ce-partitionkey";
    /// The trace that it was published in (W3C Trace Context).
    pub const TRACE_PARENT: &'static str = "traceparent";
    /// More about that trace (W3C Trace Context).
    pub const TRACE_STATE: &'static str = "tracestate";

    /// An event with this body and no headers.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self { headers: Headers::new(), body: body.into() }
    }

    /// The same with a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.set(name, value);
        self
    }

    /// What tells it from all others, where it says so.
    pub fn id(&self) -> Option<&str> {
        Self::id_in(&self.headers)
    }

    /// The same of headers that have no body any more.
    pub(super) fn id_in(headers: &Headers) -> Option<&str> {
        headers.get(Self::CE_ID).or_else(|| headers.get(Self::ID))
    }

    /// The key of the event, where it has one.
    pub fn key(&self) -> Option<&str> {
        self.headers.get(Self::CE_KEY)
    }
}

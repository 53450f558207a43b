use crate::broker::Envelope;
use crate::error::{Error, Result};

/// The longest name of a topic or a group, in bytes.
pub const MAX_NAME: usize = 255;

/// The largest event that the drivers of this crate keep without a server, in bytes: headers and body together.
pub const MAX_EVENT: usize = 8 << 20;

/// As many bytes are read in one go, with at least one event.
pub(super) const MAX_ANSWER: usize = 4 << 20;

/// As many headers as an event may have, wherever it comes from.
const MAX_HEADERS: usize = 256;

/// As many bytes as the names and values of the headers may have together.
const MAX_HEADER_BYTES: usize = 64 << 10;

/// Whether this can be a topic.
pub(super) fn check_topic(topic: &str) -> Result<()> {
    check_name("topic", topic)
}

/// Whether this can be a group.
pub(super) fn check_group(group: &str) -> Result<()> {
    check_name("group", group)
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let wrong = if name.is_empty() {
        format!("a {what} has a name, and this one is empty")
    } else if name.len() > MAX_NAME {
        let start: String = name.chars().take(40).collect();
        format!("the name of a {what} has up to {MAX_NAME} bytes, and `{start}…` has {}", name.len())
    } else if name.chars().any(char::is_control) {
        format!("the name of a {what} has no control characters, and {name:?} has one")
    } else {
        return Ok(());
    };
    Err(Error::invalid_argument(wrong))
}

/// How large an event is, where it is not too large.
pub(super) fn check_event(topic: &str, envelope: &Envelope) -> Result<usize> {
    let headers = header_bytes(envelope);
    let whole = headers.saturating_add(envelope.body.len());
    let wrong = if envelope.headers.len() > MAX_HEADERS {
        format!("an event has up to {MAX_HEADERS} headers, and this one has {}", envelope.headers.len())
    } else if headers > MAX_HEADER_BYTES {
        format!(
            "the headers of an event have up to {MAX_HEADER_BYTES} bytes, and those of this one have {headers}"
        )
    } else if whole > MAX_EVENT {
        format!(
            "an event has up to {MAX_EVENT} bytes, and this one has {whole}: keep what is large elsewhere, \
             and publish where it is"
        )
    } else {
        return Ok(whole);
    };
    Err(Error::invalid_argument(wrong).context(format_args!("topic `{topic}`")))
}

fn header_bytes(envelope: &Envelope) -> usize {
    envelope.headers.iter().map(|(name, value)| name.len() + value.len()).sum()
}

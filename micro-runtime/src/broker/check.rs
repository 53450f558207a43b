use super::{Envelope, Headers};
use crate::error::{Error, Result};

/// As long as a routing key of AMQP may be, which is the shortest limit of all that we know.
const LONGEST_NAME: usize = 255;

/// How many headers an event has at the most.
pub(crate) const MOST_HEADERS: usize = 256;

/// How many bytes the names and values of its headers have together at the most.
pub(crate) const LARGEST_HEADERS: usize = 64 * 1024;

/// Whether a topic can be carried by any broker. A driver may have further rules.
pub(crate) fn check_topic(topic: &str) -> Result<()> {
    check_name("topic", topic)
}

/// The same for the name of a group.
pub(crate) fn check_group(group: &str) -> Result<()> {
    check_name("group", group)
}

/// Whether headers are within the bounds that all brokers have, and have names.
pub(crate) fn check_headers(headers: &Headers) -> Result<()> {
    if headers.len() > MOST_HEADERS {
        let count = headers.len();
        return Err(Error::invalid_argument(format!(
            "the event has {count} headers, and {MOST_HEADERS} is the most"
        )));
    }
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if bytes > LARGEST_HEADERS {
        return Err(Error::invalid_argument(format!(
            "the headers of the event have {bytes} bytes, and {LARGEST_HEADERS} is the most: put large values into its body"
        )));
    }
    match headers.iter().find(|(name, _)| name.is_empty()) {
        Some((_, value)) => Err(Error::invalid_argument(format!(
            "the event has a header without a name, with the value {:?}",
            start(value)
        ))),
        None => Ok(()),
    }
}

/// Whether an event is not larger than that.
pub(crate) fn check_size(envelope: &Envelope, largest: usize) -> Result<()> {
    match envelope.body.len() {
        bytes if bytes > largest => Err(Error::invalid_argument(format!(
            "the event has {bytes} bytes, and the broker carries {largest} at the most: publish where it is stored in \
             its place"
        ))),
        _ => Ok(()),
    }
}

fn check_name(what: &str, name: &str) -> Result<()> {
    let why = if name.is_empty() {
        "it is empty"
    } else if name.len() > LONGEST_NAME {
        "it has more than 255 bytes"
    } else if name.chars().any(char::is_control) {
        "it has a control character in it"
    } else {
        return Ok(());
    };
    Err(Error::invalid_argument(format!("{:?} cannot be the name of a {what}: {why}", start(name))))
}

/// Enough of a text to know it.
fn start(text: &str) -> String {
    text.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_short_text_without_control_characters() {
        for topic in ["greeted", "orders.v1.Placed", "Grüße an alle", &"x".repeat(255)] {
            check_topic(topic).unwrap();
        }
        for topic in ["", "a\nb", "a\0", &"x".repeat(256)] {
            assert_eq!(check_topic(topic).unwrap_err().code(), crate::Code::InvalidArgument);
        }
    }

    #[test]
    fn headers_are_bounded_in_number_and_size() {
        let many = |count: usize| (0..count).map(|n| (n.to_string(), "x")).collect::<Headers>();
        check_headers(&many(256)).unwrap();
        assert!(check_headers(&many(257)).unwrap_err().message().contains("257 headers"));
        check_headers(&Headers::from_iter([("a", "x".repeat(LARGEST_HEADERS - 1))])).unwrap();
        assert!(check_headers(&Headers::from_iter([("a", "x".repeat(LARGEST_HEADERS))])).is_err());
        assert!(check_headers(&Headers::from_iter([("", "x")])).is_err());
    }
}

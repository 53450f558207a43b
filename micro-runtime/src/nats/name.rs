//! Names: what can be a subject, and what streams and consumers are called.

use std::fmt::Write as _;

use crate::error::{Error, Result};

/// The longest topic or group that is taken, in bytes.
const LONGEST: usize = 255;

/// As long may the name of a stream or of a consumer be (`JSMaxNameLen` of the server).
const LONGEST_NAME: usize = 255;

/// Whether this can be a subject that is published to: what the server would take for a pattern is not.
pub(crate) fn check_topic(topic: &str) -> Result<()> {
    check("topic", topic)?;
    let wrong = if topic.split('.').any(str::is_empty) {
        "no two dots follow each other in a subject of NATS, and it neither begins nor ends with one"
    } else if topic.split('.').any(|token| token == "*" || token == ">") {
        "`*` and `>` are patterns of NATS, and no topics"
    } else if topic.starts_with('$') || topic.starts_with("_INBOX.") {
        "subjects that begin with `$` or `_INBOX.` are those of NATS itself"
    } else {
        return Ok(());
    };
    Err(Error::invalid_argument(format!("NATS cannot carry the topic {topic:?}: {wrong}")))
}

/// Whether this can be a group.
pub(crate) fn check_group(group: &str) -> Result<()> {
    check("group", group)
}

fn check(what: &str, name: &str) -> Result<()> {
    let wrong = if name.is_empty() {
        format!("its name is empty, and a {what} has one")
    } else if name.len() > LONGEST {
        format!("its name has {} bytes, and at most {LONGEST} are taken", name.len())
    } else if name.chars().any(|char| char.is_whitespace() || char.is_control()) {
        "names in NATS have no spaces and no control characters".to_owned()
    } else {
        return Ok(());
    };
    let start: String = name.chars().take(40).collect();
    Err(Error::invalid_argument(format!("NATS cannot carry the {what} {start:?}: {wrong}")))
}

/// The name of a stream or of a consumer: `prefix` and what it is for. Different ones have different names.
///
/// Dots become underscores, which reads well; whatever else a name cannot have is written as `=` and two hexadecimal
/// digits.
pub(crate) fn escaped(prefix: &str, text: &str) -> Result<String> {
    let mut name = prefix.to_owned();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => name.push(char::from(byte)),
            b'.' => name.push('_'),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(name, "={byte:02X}");
            }
        }
    }
    if name.len() > LONGEST_NAME {
        return Err(Error::invalid_argument(format!(
            "`{text}` becomes the name `{name}` in NATS, which has {} bytes, and at most {LONGEST_NAME} are taken: \
             take a shorter one, or one of letters, digits, `-` and `.`",
            name.len()
        )));
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn topics_that_nats_cannot_carry_are_refused_with_the_rule() {
        for (wrong, rule) in [
            ("", "empty"),
            ("a b", "spaces"),
            ("a\nb", "control"),
            ("a..b", "two dots"),
            (".a", "two dots"),
            ("a.", "two dots"),
            ("orders.*", "patterns"),
            (">", "patterns"),
            ("$JS.API.INFO", "NATS itself"),
            ("_INBOX.a", "NATS itself"),
            (&"x".repeat(256), "at most 255"),
        ] {
            let error = check_topic(wrong).expect_err(wrong);
            assert!(error.message().contains(rule), "{error}");
        }
        for right in ["orders", "orders.created", "a*b", "größe", "orders/created", "orders.dead-letter"] {
            assert!(check_topic(right).is_ok(), "{right}");
        }
    }

    #[test]
    fn names_of_streams_read_well() -> Result<()> {
        assert_eq!(escaped("MICRO_", "orders.created-now")?, "MICRO_orders_created-now");
        assert_eq!(escaped("", "a_b/c")?, "a=5Fb=2Fc");
        assert!(escaped("", &"ß".repeat(45)).is_err());
        Ok(())
    }

    proptest! {
        #[test]
        fn different_topics_have_different_names(one in "[a-z._=/*ß ]{0,12}", other in "[a-z._=/*ß ]{0,12}") {
            let (name, another) = (escaped("M_", &one)?, escaped("M_", &other)?);
            prop_assert_eq!(one == other, name == another);
            prop_assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=".contains(&byte)));
        }

        #[test]
        fn any_text_is_a_topic_or_an_error(text in ".{0,300}") {
            if check_topic(&text).is_ok() {
                prop_assert!(!text.contains(char::is_whitespace) && text.split('.').all(|token| !token.is_empty()));
            }
        }
    }
}

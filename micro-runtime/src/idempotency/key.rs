use crate::error::{Error, Result};

/// The metadata that a key travels in.
pub(crate) const KEY: &str = "idempotency-key";

/// The longest key, in bytes.
const LONGEST: usize = 255;

/// The key of a value: as it is, or in the quotation marks that a string of HTTP has (RFC 9651).
pub(crate) fn check(value: &str) -> Result<&str> {
    let value = value.trim();
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let key = quoted.unwrap_or(value);
    if (1..=LONGEST).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Ok(key);
    }
    Err(Error::invalid_argument(format!(
        "an `{KEY}` has 1 to {LONGEST} visible ASCII characters, and this one has {}: use a random UUID for each \
         thing to do",
        if key.len() > LONGEST { key.len().to_string() } else { "others".to_owned() }
    )))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_may_stand_in_quotation_marks() {
        assert_eq!(check("\"8e03978e\"").unwrap(), "8e03978e");
        assert_eq!(check(" 8e03978e ").unwrap(), "8e03978e");
        for wrong in ["", "\"\"", "  ", "a b", "ä", &"x".repeat(256)] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_a_key_or_an_error(value in ".{0,300}") {
            if let Ok(key) = check(&value) {
                prop_assert!(value.contains(key) && key.bytes().all(|byte| byte.is_ascii_graphic()));
            }
        }
    }
}

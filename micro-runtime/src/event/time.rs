//! Points in time as text: RFC 3339.

use std::time::{Duration, SystemTime};

/// The longest fraction that is read; it has nine digits where it is one of anybody's clock.
const LONGEST: usize = 64;

/// Reads a point in time with any offset, from 1970 to 9999; `None` for anything else.
pub(super) fn read(text: &str) -> Option<SystemTime> {
    if text.len() > LONGEST {
        return None;
    }
    let text = text.to_ascii_uppercase();
    let (local, offset) = match text.strip_suffix('Z') {
        Some(local) => (local, "+00:00"),
        None => text.split_at_checked(text.len().checked_sub("+00:00".len())?)?,
    };
    if !local.ends_with(|last: char| last.is_ascii_digit()) {
        return None;
    }
    let local = humantime::parse_rfc3339(&format!("{local}Z")).ok()?;
    let (sign, offset) = offset.split_at_checked(1)?;
    let (hours, minutes) = offset.split_once(':')?;
    let away = Duration::from_secs(number(hours, 23)? * 3600 + number(minutes, 59)? * 60);
    match sign {
        // Where the clock is ahead, it was earlier everywhere else.
        "+" => local.checked_sub(away),
        "-" => local.checked_add(away),
        _ => None,
    }
}

/// A number of two digits.
fn number(text: &str, most: u64) -> Option<u64> {
    let digits = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= most)
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_time_is_read_whatever_its_offset() {
        let due = UNIX_EPOCH + Duration::from_millis(1_700_000_000_500);
        for text in [
            "2023-11-14T22:13:20.5Z",
            "2023-11-14t22:13:20.500000000z",
            "2023-11-14T22:13:20.5+00:00",
            "2023-11-14T22:13:20.5-00:00",
            "2023-11-15T03:43:20.5+05:30",
            "2023-11-14T14:13:20.5-08:00",
        ] {
            assert_eq!(read(text), Some(due), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_none() {
        for text in [
            "",
            "Z",
            "now",
            "1700000000",
            "2023-11-14",
            "2023-11-14T22:13:20",
            "2023-11-14 22:13:20Z",
            "2023-11-14T22:13:20+24:00",
            "2023-11-14T22:13:20+0000",
            "2023-11-14T22:13:20+01:00Z",
            "2023-11-14T22:13:20Z+01:00",
            "2023-13-14T22:13:20Z",
            "1969-12-31T23:59:59Z",
            "2023-11-14T22:13:20*00:00",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&format!("2023-11-14T22:13:20.{}Z", "0".repeat(100))), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_time_or_none(text in "[0-9TtZz:.+ -]{0,30}|.{0,40}") {
            let _ = read(&text);
        }

        #[test]
        fn any_time_that_is_written_is_read(seconds in 0..253_402_300_799_u64, nanos in 0..1_000_000_000_u32) {
            let time = UNIX_EPOCH + Duration::new(seconds, nanos);
            prop_assert_eq!(read(&humantime::format_rfc3339(time).to_string()), Some(time));
        }
    }
}

use std::fmt;

use serde::de::{Deserializer, Unexpected, Visitor};
use serde::ser::{Error as _, Serializer};

use super::Rule;

/// `google.protobuf.Timestamp`: RFC 3339, from the year 1 to 9999.
#[derive(Debug)]
pub struct Timestamp;

/// `google.protobuf.Duration`: decimal seconds and an `s`, up to 10 000 years.
#[derive(Debug)]
pub struct Duration;

/// 0001-01-01T00:00:00Z to 9999-12-31T23:59:59Z.
const TIMESTAMPS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const NANOS: std::ops::RangeInclusive<i32> = 0..=999_999_999;
const MAX_DURATION_SECONDS: i64 = 315_576_000_000;

impl Rule<prost_types::Timestamp> for Timestamp {
    fn write<S: Serializer>(value: &prost_types::Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        if !in_range(value) {
            let (seconds, nanos) = (value.seconds, value.nanos);
            return Err(S::Error::custom(format_args!(
                "timestamp out of range: {seconds} seconds and {nanos} nanoseconds"
            )));
        }
        serializer.collect_str(value)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::Timestamp, D::Error> {
        deserializer.deserialize_str(TimestampVisitor)
    }
}

fn in_range(value: &prost_types::Timestamp) -> bool {
    TIMESTAMPS.contains(&value.seconds) && NANOS.contains(&value.nanos)
}

struct TimestampVisitor;

impl Visitor<'_> for TimestampVisitor {
    type Value = prost_types::Timestamp;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a timestamp such as \"2006-01-02T15:04:05.5Z\" between the years 1 and 9999")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<prost_types::Timestamp, E> {
        let parsed = if is_rfc3339(text) { text.parse::<prost_types::Timestamp>().ok() } else { None };
        parsed.filter(in_range).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

/// Whether the text has the one form that the JSON mapping allows; the parser of the library takes
/// many more.
fn is_rfc3339(text: &str) -> bool {
    let Some((start, rest)) = text.split_at_checked(19) else { return false };
    let rest = match rest.strip_prefix('.') {
        Some(rest) => {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            if !(1..=9).contains(&end) {
                return false;
            }
            &rest[end..]
        }
        None => rest,
    };
    has_form(start, "0000-00-00T00:00:00")
        && (rest == "Z" || has_form(rest, "+00:00") || has_form(rest, "-00:00"))
}

/// Whether the text is like the form, where a `0` stands for any digit.
fn has_form(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        })
}

impl Rule<prost_types::Duration> for Duration {
    fn write<S: Serializer>(value: &prost_types::Duration, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, nanos) = (value.seconds, value.nanos);
        let one_sign = (seconds >= 0 && nanos >= 0) || (seconds <= 0 && nanos <= 0);
        let fits = (-MAX_DURATION_SECONDS..=MAX_DURATION_SECONDS).contains(&seconds)
            && NANOS.contains(&nanos.saturating_abs());
        if !one_sign || !fits {
            return Err(S::Error::custom(format_args!(
                "duration out of range: {seconds} seconds and {nanos} nanoseconds"
            )));
        }
        serializer.collect_str(value)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<prost_types::Duration, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = prost_types::Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in seconds such as \"1.5s\", at most 315576000000s")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<prost_types::Duration, E> {
        parse_duration(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
    }
}

fn parse_duration(text: &str) -> Option<prost_types::Duration> {
    let number = text.strip_suffix('s')?;
    let (sign, number) = match number.strip_prefix('-') {
        Some(number) => (-1, number),
        None => (1, number),
    };
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (1..=9).contains(&fraction.len()).then_some((whole, fraction))?,
        None => (number, ""),
    };
    // Only digits are left; `parse` alone would take a second sign.
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let seconds: i64 = whole.parse().ok()?;
    let nanos: i32 = format!("{fraction:0<9}").parse().ok()?;
    let duration = prost_types::Duration { seconds: sign * seconds, nanos: sign as i32 * nanos };
    (seconds <= MAX_DURATION_SECONDS).then_some(duration)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::{read, written};
    use super::*;

    fn timestamp(seconds: i64, nanos: i32) -> prost_types::Timestamp {
        prost_types::Timestamp { seconds, nanos }
    }

    fn duration(seconds: i64, nanos: i32) -> prost_types::Duration {
        prost_types::Duration { seconds, nanos }
    }

    proptest! {
        #[test]
        fn any_time_comes_back_or_is_not_written(
            seconds in prop_oneof![TIMESTAMPS, -2..3_i64, any::<i64>()],
            nanos in prop_oneof![NANOS, Just(0), any::<i32>()],
        ) {
            if let Ok(text) = written::<Timestamp, _>(&timestamp(seconds, nanos)) {
                prop_assert_eq!(read::<Timestamp, prost_types::Timestamp>(&text).unwrap(), timestamp(seconds, nanos));
            } else {
                prop_assert!(!in_range(&timestamp(seconds, nanos)));
            }
            let nanos = if seconds < 0 { nanos.saturating_neg() } else { nanos };
            let limit = -MAX_DURATION_SECONDS..=MAX_DURATION_SECONDS;
            if let Ok(text) = written::<Duration, _>(&duration(seconds, nanos)) {
                prop_assert_eq!(read::<Duration, prost_types::Duration>(&text).unwrap(), duration(seconds, nanos));
            } else {
                let one_sign = seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0);
                prop_assert!(!limit.contains(&seconds) || !one_sign || !NANOS.contains(&nanos.saturating_abs()));
            }
        }

        #[test]
        fn any_text_is_a_time_that_can_be_written_or_an_error(
            text in "-?[0-9]{0,14}([.][0-9]{0,11})?s?|[0-9]{4}-[0-3][0-9]-[0-3][0-9]T[0-2][0-9]:[0-6][0-9]:[0-6][0-9]([.][0-9]{0,10})?(Z|[+-][0-2][0-9]:[0-6][0-9])|.{0,30}",
        ) {
            let json = serde_json::to_string(&text).unwrap();
            if let Ok(time) = read::<Timestamp, prost_types::Timestamp>(&json) {
                let json = written::<Timestamp, _>(&time).unwrap();
                prop_assert_eq!(read::<Timestamp, prost_types::Timestamp>(&json).unwrap(), time);
            }
            if let Ok(time) = read::<Duration, prost_types::Duration>(&json) {
                let json = written::<Duration, _>(&time).unwrap();
                prop_assert_eq!(read::<Duration, prost_types::Duration>(&json).unwrap(), time);
            }
        }
    }

    #[test]
    fn timestamps_are_written_in_utc_with_as_many_digits_as_they_need() {
        for (value, text) in [
            (timestamp(0, 0), "1970-01-01T00:00:00Z"),
            (timestamp(1, 500_000_000), "1970-01-01T00:00:01.500Z"),
            (timestamp(1, 1_000), "1970-01-01T00:00:01.000001Z"),
            (timestamp(-1, 1), "1969-12-31T23:59:59.000000001Z"),
            (timestamp(-62_135_596_800, 0), "0001-01-01T00:00:00Z"),
            (timestamp(253_402_300_799, 999_999_999), "9999-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(written::<Timestamp, _>(&value).unwrap(), format!("{text:?}"));
            assert_eq!(read::<Timestamp, prost_types::Timestamp>(&format!("{text:?}")).unwrap(), value);
        }
    }

    #[test]
    fn a_timestamp_is_read_with_an_offset() {
        let value = read::<Timestamp, prost_types::Timestamp>(r#""1970-01-01T01:30:00.25+01:30""#).unwrap();
        assert_eq!(value, timestamp(0, 250_000_000));
        let value = read::<Timestamp, prost_types::Timestamp>(r#""1969-12-31T22:30:00-01:30""#).unwrap();
        assert_eq!(value, timestamp(0, 0));
    }

    #[test]
    fn a_timestamp_in_another_form_or_out_of_range_is_an_error() {
        for text in [
            "",
            "1970-01-01",
            "1970-01-01t00:00:00Z",
            "1970-01-01T00:00:00z",
            "1970-01-01 00:00:00Z",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00.Z",
            "1970-01-01T00:00:00.1234567890Z",
            "1970-01-01T00:00:00+0100",
            "1970-02-30T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+01:00",
            "9999-12-31T23:59:59-01:00",
            "+10000-01-01T00:00:00Z",
            "1970-01-01T00:00:0éZ",
        ] {
            assert!(read::<Timestamp, prost_types::Timestamp>(&format!("{text:?}")).is_err(), "{text}");
        }
        for value in [timestamp(253_402_300_800, 0), timestamp(0, -1), timestamp(0, 1_000_000_000)] {
            assert!(written::<Timestamp, _>(&value).is_err(), "{value:?}");
        }
    }

    #[test]
    fn durations_are_decimal_seconds() {
        for (value, text) in [
            (duration(0, 0), "0s"),
            (duration(1, 500_000_000), "1.500s"),
            (duration(-1, -500_000_000), "-1.500s"),
            (duration(0, -1), "-0.000000001s"),
            (duration(315_576_000_000, 0), "315576000000s"),
        ] {
            assert_eq!(written::<Duration, _>(&value).unwrap(), format!("{text:?}"));
            assert_eq!(read::<Duration, prost_types::Duration>(&format!("{text:?}")).unwrap(), value);
        }
        assert_eq!(read::<Duration, prost_types::Duration>(r#""1.5s""#).unwrap(), duration(1, 500_000_000));
    }

    #[test]
    fn a_duration_in_another_form_or_out_of_range_is_an_error() {
        for text in
            ["", "s", "1", "1.s", ".5s", "+1s", "--1s", "-+1s", "1 s", "1.0000000001s", "315576000001s", "1m"]
        {
            assert!(read::<Duration, prost_types::Duration>(&format!("{text:?}")).is_err(), "{text}");
        }
        for value in [duration(1, -1), duration(-1, 1), duration(0, i32::MIN), duration(i64::MIN, 0)] {
            assert!(written::<Duration, _>(&value).is_err(), "{value:?}");
        }
    }
}

//! How much time a call has: at most eight digits and a unit.

use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::{Error, Result};

pub(super) const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// The units, the finest first, each in nanoseconds.
const UNITS: [(u8, u128); 6] = [
    (b'n', 1),
    (b'u', 1_000),
    (b'm', 1_000_000),
    (b'S', 1_000_000_000),
    (b'M', 60_000_000_000),
    (b'H', 3_600_000_000_000),
];

const LARGEST: u128 = 99_999_999;
const MILLISECOND: u128 = 1_000_000;
const SECOND: u128 = 1_000_000_000;

/// The time that the caller gives.
pub(super) fn read(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    parse(value.as_bytes()).map(Some).ok_or_else(|| {
        let text = String::from_utf8_lossy(value.as_bytes());
        Error::invalid_argument(format!(
            "the header `{TIMEOUT}: {text}` is not at most eight digits and one of the units H, M, S, m, u, n"
        ))
    })
}

fn parse(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    let (_, nanos) = UNITS.iter().find(|(known, _)| known == unit)?;
    if !(1..=8).contains(&digits.len()) || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count: u128 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let nanos = count * nanos;
    // Ten thousand years have fewer seconds than fit.
    let seconds = u64::try_from(nanos / 1_000_000_000).ok()?;
    Some(Duration::new(seconds, u32::try_from(nanos % 1_000_000_000).ok()?))
}

/// The value for this time, in the finest unit that it fits, and in milliseconds from a second on. Rounded
/// up, so that this side's own clock, which is exact, is the one that ends the call.
///
/// So the calls of a client mostly have the same value, which HTTP/2 then sends as one byte.
pub(super) fn write(timeout: Duration) -> HeaderValue {
    let mut nanos = timeout.as_nanos().max(1);
    if nanos >= SECOND {
        nanos = nanos.next_multiple_of(MILLISECOND);
    }
    let units = if nanos >= SECOND { &UNITS[2..] } else { &UNITS[..] };
    let fitting = units.iter().map(|(unit, size)| (nanos.div_ceil(*size), *unit));
    let (count, unit) = fitting.into_iter().find(|(count, _)| *count <= LARGEST).unwrap_or((LARGEST, b'H'));
    let value = format!("{count}{}", char::from(unit));
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("99999999H"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn written(timeout: Duration) -> String {
        write(timeout).to_str().unwrap().to_owned()
    }

    #[test]
    fn all_units_are_read() {
        let nanos = |value: &[u8]| parse(value).map(|timeout| timeout.as_nanos());
        assert_eq!(nanos(b"7n"), Some(7));
        assert_eq!(nanos(b"07u"), Some(7_000));
        assert_eq!(nanos(b"7m"), Some(7_000_000));
        assert_eq!(nanos(b"7S"), Some(7_000_000_000));
        assert_eq!(nanos(b"7M"), Some(420_000_000_000));
        assert_eq!(nanos(b"99999999H"), Some(99_999_999 * 3_600_000_000_000));
        assert_eq!(nanos(b"0n"), Some(0));
        for wrong in [&b""[..], b"n", b"7", b"7s", b"7 m", b"-7m", b"+7m", b"123456789n", b"7mm", b"\xff"] {
            assert_eq!(nanos(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn the_finest_unit_that_fits_is_written() {
        assert_eq!(written(Duration::ZERO), "1n");
        assert_eq!(written(Duration::from_nanos(99_999_999)), "99999999n");
        assert_eq!(written(Duration::from_nanos(100_000_000)), "100000u");
        assert_eq!(written(Duration::from_nanos(100_000_001)), "100001u");
        assert_eq!(written(Duration::from_secs(5)), "5000m");
        assert_eq!(written(Duration::new(4, 999_000_001)), "5000m");
        assert_eq!(written(Duration::from_nanos(999_999_999)), "1000000u");
        assert_eq!(written(Duration::from_secs(100)), "100000m");
        assert_eq!(written(Duration::MAX), "99999999H");
    }

    proptest! {
        #[test]
        fn a_timeout_comes_back_no_shorter_and_hardly_longer(
            seconds in prop_oneof![0..200_u64, 0..1_000_000_000_000_u64], nanos in 0..1_000_000_000_u32,
        ) {
            let timeout = Duration::new(seconds, nanos);
            let value = write(timeout);
            prop_assert!(value.len() <= 9);
            let back = parse(value.as_bytes()).unwrap();
            let longest = Duration::from_nanos(99_999_999).saturating_mul(3_600_000).saturating_mul(1_000_000);
            if timeout < longest {
                prop_assert!(back >= timeout);
                // A unit is at most a thousandth of a value that does not fit the unit below it.
                prop_assert!(back - timeout <= timeout / 1000 + Duration::from_nanos(1));
            }
        }

        #[test]
        fn any_value_is_a_timeout_or_an_error(value in vec(any::<u8>(), 0..12)) {
            let _ = parse(&value);
        }

        #[test]
        fn digits_and_a_unit_are_a_timeout(value in "[0-9]{1,8}[HMSmun]") {
            prop_assert!(parse(value.as_bytes()).is_some());
        }
    }
}

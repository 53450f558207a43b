//! What go-micro (<https://go-micro.dev>) does in its own way, in its RPC and in gRPC alike: its
//! errors, and how its callers are known.

mod code;
mod error;

use std::time::Duration;

use http::HeaderMap;

pub(crate) use error::{GoMicroError, TYPE_NAME};

/// The metadata in which go-micro's gRPC client repeats the content type, and nobody else.
const CONTENT_TYPE: &str = "x-content-type";

/// The metadata in which go-micro's gRPC client says how long the call may take, in nanoseconds.
const TIMEOUT: &str = "timeout";

/// Metadata of go-micro's gRPC client that its server does not show to handlers, and neither do we.
pub(crate) const HIDDEN: [&str; 2] = [CONTENT_TYPE, TIMEOUT];

/// Whether a gRPC call comes from go-micro.
pub(crate) fn calls(headers: &HeaderMap) -> bool {
    headers.contains_key(CONTENT_TYPE)
}

/// The time that a go-micro caller gives; none where it gives none that can be read, as go-micro
/// itself has it.
pub(crate) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let nanos = headers.get(TIMEOUT)?.to_str().ok()?.parse().ok()?;
    (nanos > 0).then(|| Duration::from_nanos(nanos))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(value: &[u8]) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(TIMEOUT, HeaderValue::from_bytes(value).ok()?);
        timeout(&headers)
    }

    proptest! {
        #[test]
        fn any_value_is_a_timeout_or_none(value in vec(any::<u8>(), 0..30)) {
            let _ = of(&value);
        }

        #[test]
        fn a_timeout_is_nanoseconds(nanos in 1_u64..) {
            prop_assert_eq!(of(nanos.to_string().as_bytes()), Some(Duration::from_nanos(nanos)));
        }
    }

    #[test]
    fn a_timeout_of_nothing_is_none() {
        assert_eq!(of(b"0"), None);
        assert_eq!(of(b"-5"), None);
        assert_eq!(of(b"5s"), None);
    }
}

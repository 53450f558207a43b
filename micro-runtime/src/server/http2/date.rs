//! The header `date`, which every answer has (RFC 9110, section 6.6.1). It is written once a second.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::HeaderValue;

thread_local! {
    static LAST: RefCell<(Duration, HeaderValue)> =
        const { RefCell::new((Duration::ZERO, HeaderValue::from_static(""))) };
}

/// The time now.
pub(super) fn now() -> HeaderValue {
    let time = SystemTime::now();
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    LAST.with_borrow_mut(|(at, value)| {
        if at.as_secs() != since.as_secs() || value.is_empty() {
            *at = since;
            if let Ok(written) = HeaderValue::try_from(httpdate::fmt_http_date(time)) {
                *value = written;
            }
        }
        value.clone()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_date_is_that_of_now() {
        let written = httpdate::parse_http_date(now().to_str().unwrap()).unwrap();
        let age = SystemTime::now().duration_since(written).unwrap();
        assert!(age < Duration::from_secs(5), "{age:?}");
        assert!(!now().is_empty());
    }
}

//! What a server says about trying again: push-back, as gRPC's proposal A6 has it
//! (<https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback>).

use std::time::{Duration, SystemTime};

use super::Error;
use crate::metadata::Metadata;

/// How many milliseconds to wait before another attempt. What is negative, or no number, is "do not".
const PUSH_BACK: &str = "grpc-retry-pushback-ms";

/// The same in whole seconds or as a date, for everybody on the web (RFC 9110, section 10.2.3).
const RETRY_AFTER: &str = "retry-after";

/// Says that a call was refused before its handler saw it.
const NEVER_PROCESSED: &str = "micro-never-processed";

/// The longest time that is sent, in milliseconds: clients of gRPC read 32 bits.
const LONGEST: u128 = i32::MAX as u128;

impl Error {
    /// Says when the caller may try again, at the earliest. It travels to the caller as the metadata
    /// `grpc-retry-pushback-ms`, in whole milliseconds and 24 days at the most, and in the head of an HTTP
    /// response as `retry-after` as well.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use micro_runtime::Error;
    /// let busy = Error::resource_exhausted("too many reports at once").with_retry_after(Duration::from_secs(2));
    /// assert_eq!(busy.retry_after(), Some(Duration::from_secs(2)));
    /// ```
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        // Rounded up: who comes too early is refused again.
        let millis = after.as_nanos().div_ceil(1_000_000).min(LONGEST);
        set(&mut self.0.metadata, PUSH_BACK, &millis.to_string());
        self
    }

    /// How long to wait before another attempt at the same node, where the server said so: with
    /// [`with_retry_after`](Self::with_retry_after), or in the header `retry-after` of anything on the way.
    ///
    /// A call that [was never processed](Self::was_never_processed) may move to another node at once.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.0.metadata.get(PUSH_BACK) {
            Some(millis) => millis.parse().ok().map(Duration::from_millis),
            None => self.0.metadata.get(RETRY_AFTER).and_then(of_http),
        }
    }

    /// Asks the caller not to try again, whatever its policy is: another attempt would do harm, or cannot
    /// succeed. It travels as a negative `grpc-retry-pushback-ms`.
    #[must_use]
    pub fn with_no_retry(mut self) -> Self {
        set(&mut self.0.metadata, PUSH_BACK, "-1");
        self
    }

    /// Whether the server asked not to be tried again.
    pub fn forbids_retry(&self) -> bool {
        self.0.metadata.get(PUSH_BACK).is_some_and(|millis| millis.parse::<u64>().is_err())
    }

    /// Notes that this side tried as often as it may. It stays on this side; where a handler answers with the
    /// error, its caller is told not to try again: see [`with_no_retry`](Self::with_no_retry).
    pub(crate) fn spent(mut self) -> Self {
        self.0.spent = true;
        self
    }

    /// Whether who gets this error of a call as an answer is not to try again.
    pub(super) fn stops_the_chain(&self) -> bool {
        self.0.spent || self.forbids_retry()
    }

    /// Adds words behind the message: `message; words`.
    pub(crate) fn adding(mut self, words: std::fmt::Arguments<'_>) -> Self {
        // Writing to a text cannot fail.
        let _ = std::fmt::Write::write_fmt(&mut self.0.message, format_args!("; {words}"));
        self
    }

    /// Tells the caller as well that the call was refused before a handler saw it. Only who refuses a call
    /// may: on the errors of handlers it is taken off.
    pub(crate) fn refused_unseen(mut self) -> Self {
        set(&mut self.0.metadata, NEVER_PROCESSED, "true");
        self.never_processed()
    }

    /// Whether the server said that no handler saw the call.
    pub(super) fn says_never_processed(&self) -> bool {
        self.0.answered && self.0.metadata.contains(NEVER_PROCESSED)
    }

    /// Takes off what was said of another call than that which the error is told of now.
    pub(super) fn of_a_handler(mut self) -> Self {
        if !self.0.metadata.is_empty() {
            self.0.metadata.remove(NEVER_PROCESSED);
        }
        self
    }

    /// The value of the header `retry-after`, where the error has a time and no such header yet.
    pub(crate) fn retry_after_header(&self) -> Option<u64> {
        if self.0.metadata.is_empty() || self.0.metadata.contains(RETRY_AFTER) {
            return None;
        }
        self.retry_after().map(|after| after.as_secs() + u64::from(after.subsec_nanos() > 0))
    }
}

fn set(metadata: &mut Metadata, name: &str, value: &str) {
    // Both are good: they are made here.
    let _ = metadata.insert(name, value);
}

/// Whole seconds, or the date until which to wait.
fn of_http(value: &str) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with(name: &str, value: &str) -> Error {
        let mut error = Error::unavailable("busy");
        error.metadata_mut().append(name, value).unwrap();
        error
    }

    #[test]
    fn a_time_is_rounded_up_and_bounded() {
        let after = |time| Error::unavailable("busy").with_retry_after(time).retry_after().unwrap();
        assert_eq!(after(Duration::ZERO), Duration::ZERO);
        assert_eq!(after(Duration::from_nanos(1)), Duration::from_millis(1));
        assert_eq!(after(Duration::MAX), Duration::from_millis(i32::MAX as u64));
    }

    #[test]
    fn what_is_negative_or_no_number_forbids_another_attempt() {
        let error = Error::unavailable("busy").with_retry_after(Duration::from_secs(1)).with_no_retry();
        assert!(error.forbids_retry());
        assert_eq!(error.retry_after(), None);
        assert!(with(PUSH_BACK, "soon").forbids_retry());
        assert!(!with(PUSH_BACK, "0").forbids_retry());
        assert!(!Error::unavailable("busy").forbids_retry());
    }

    #[test]
    fn a_proxys_retry_after_is_seconds_or_a_date() {
        assert_eq!(with(RETRY_AFTER, "3").retry_after(), Some(Duration::from_secs(3)));
        let date = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(100));
        let after = with(RETRY_AFTER, &date).retry_after().unwrap();
        assert!((90..=100).contains(&after.as_secs()), "{after:?}");
        let past = httpdate::fmt_http_date(SystemTime::UNIX_EPOCH);
        assert_eq!(with(RETRY_AFTER, &past).retry_after(), Some(Duration::ZERO));
        assert!(!with(RETRY_AFTER, "3").forbids_retry());
    }

    #[test]
    fn a_header_of_seconds_is_rounded_up_and_not_said_twice() {
        let header = |millis| {
            Error::unavailable("busy").with_retry_after(Duration::from_millis(millis)).retry_after_header()
        };
        assert_eq!((header(0), header(1), header(1000), header(1001)), (Some(0), Some(1), Some(1), Some(2)));
        assert_eq!(with(RETRY_AFTER, "3").retry_after_header(), None);
        assert_eq!(Error::unavailable("busy").with_no_retry().retry_after_header(), None);
    }

    #[test]
    fn who_tried_in_vain_tells_its_caller_not_to_do_the_same() {
        let failed = || Error::unavailable("busy").with_origin("a.A", "B");
        assert!(!failed().into_answer().forbids_retry());
        let spent = failed().with_retry_after(Duration::from_secs(1)).spent();
        assert_eq!(spent.retry_after(), Some(Duration::from_secs(1)), "this side may still read it");
        assert!(spent.into_answer().forbids_retry());
        assert!(failed().spent().forward().into_answer().forbids_retry());
        assert!(failed().with_no_retry().into_answer().forbids_retry());
        // What this side did is not what the other side did.
        assert!(!failed().spent().delivered("a.A", "B").into_answer().forbids_retry());
    }

    #[test]
    fn that_a_call_was_never_processed_is_believed_of_its_own_server_alone() {
        let refused = Error::resource_exhausted("full").refused_unseen();
        let received = |error: &Error| {
            let mut received = Error::new(error.code(), error.message()).with_origin("a.A", "B");
            *received.metadata_mut() = error.metadata().clone();
            received
        };
        let received_first = received(&refused);
        assert!(received_first.was_never_processed());
        assert!(!received_first.maybe_processed().was_never_processed());
        // The one in the middle has done something by then.
        let forwarded = received(&refused).forward();
        assert!(!forwarded.was_never_processed());
        assert!(!received(&forwarded.into_answer()).was_never_processed());
        assert!(!received(&received(&refused).into_answer()).was_never_processed());
    }

    proptest! {
        #[test]
        fn any_value_is_a_time_or_forbids_or_says_nothing(value in "[ -~]{0,30}") {
            let pushed = with(PUSH_BACK, &value);
            prop_assert_ne!(pushed.forbids_retry(), pushed.retry_after().is_some());
            let _ = with(RETRY_AFTER, &value).retry_after();
        }

        #[test]
        fn any_time_comes_out_in_whole_milliseconds(millis in 0..i32::MAX as u64) {
            let time = Duration::from_millis(millis);
            prop_assert_eq!(Error::unavailable("busy").with_retry_after(time).retry_after(), Some(time));
        }
    }
}

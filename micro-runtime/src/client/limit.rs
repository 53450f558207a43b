use std::pin::Pin;
use std::time::Duration;

use humantime::FormattedDuration;
use tokio::time::{Instant, timeout_at};

use crate::context::Context;
use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Error, Result};

/// The deadline of one call.
pub(super) struct Limit {
    deadline: Instant,
    /// What was left of the time when the call began.
    timeout: Duration,
    method: &'static MethodDescriptor,
}

impl Limit {
    pub(super) fn new(context: &Context, method: &'static MethodDescriptor) -> Option<Self> {
        Some(Self { deadline: context.deadline()?, timeout: context.remaining()?, method })
    }

    /// The error of a call that did not get as far as to be sent.
    #[cold]
    pub(super) fn exceeded_while(&self, doing: &str, registered: &str) -> Error {
        if self.timeout.is_zero() {
            return self.exceeded();
        }
        let (service, name, timeout) = (self.method.service, self.method.name, self.timeout());
        let message = format!("{service}/{name} was not sent: {timeout} passed while {doing} `{registered}`");
        Error::deadline_exceeded(message).never_processed()
    }

    #[cold]
    fn exceeded(&self) -> Error {
        let (service, name) = (self.method.service, self.method.name);
        if self.timeout.is_zero() {
            let message = format!("{service}/{name} was not called: the deadline had passed");
            return Error::deadline_exceeded(message).never_processed();
        }
        Error::deadline_exceeded(format!("{service}/{name} was not answered within {}", self.timeout()))
    }

    /// What an error of the work means now. A server whose clock ran out just breaks the call off, and
    /// that may be heard of before this side looks at its own clock, which had less to wait.
    fn explain(&self, error: Error) -> Error {
        let broken_off = error.code() == Code::Canceled && !error.is_remote();
        if broken_off && Instant::now() >= self.deadline { self.exceeded().with_source(error) } else { error }
    }

    /// Whole milliseconds are enough for people.
    fn timeout(&self) -> FormattedDuration {
        let millis = self.timeout.as_micros().div_ceil(1000);
        humantime::format_duration(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

/// Does the work, unless the deadline passes. The work stays where the caller has pinned it: what a
/// future is given, and what it makes of that, would be in it twice, and a call is large.
pub(super) async fn hold<T>(
    limit: &Option<Limit>,
    work: Pin<&mut impl Future<Output = Result<T>>>,
) -> Result<T> {
    match limit {
        None => work.await,
        Some(limit) if limit.timeout.is_zero() => Err(limit.exceeded()),
        Some(limit) => match timeout_at(limit.deadline, work).await {
            Ok(done) => done.map_err(|error| limit.explain(error)),
            Err(_) => Err(limit.exceeded()),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;
    use std::pin::pin;

    use super::*;

    const ASK: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("test.v1.Probe", "Ask", "/test.v1.Probe/Ask", "");

    /// What becomes of this error of work that is over so long before the deadline.
    async fn held(before: Duration, error: Error) -> Error {
        let timeout = Duration::from_millis(200);
        let limit = Limit { deadline: Instant::now() + before, timeout, method: &ASK };
        hold::<()>(&Some(limit), pin!(async { Err(error) })).await.unwrap_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_broken_off_when_its_time_is_up_ran_out_of_time() {
        let error = held(Duration::ZERO, Error::canceled("the other side broke the call off")).await;
        assert_eq!(error.code(), Code::DeadlineExceeded);
        assert_eq!(error.message(), "test.v1.Probe/Ask was not answered within 200ms");
        assert!(error.source().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_ends_otherwise_says_how() {
        let early = held(Duration::from_millis(1), Error::canceled("broken off")).await;
        assert_eq!(early.code(), Code::Canceled);
        let answered = Error::canceled("not needed any more").with_origin("test.v1.Probe", "Ask");
        assert_eq!(held(Duration::ZERO, answered).await.message(), "not needed any more");
        assert_eq!(held(Duration::ZERO, Error::internal("broken")).await.code(), Code::Internal);
    }
}

use std::time::Duration;

use humantime::FormattedDuration;
use tokio::time::{Instant, timeout_at};

use crate::context::Context;
use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};

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

    /// Whole milliseconds are enough for people.
    fn timeout(&self) -> FormattedDuration {
        let millis = self.timeout.as_micros().div_ceil(1000);
        humantime::format_duration(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
    }
}

/// Does the work, unless the deadline passes.
pub(super) async fn hold<T>(limit: &Option<Limit>, work: impl Future<Output = Result<T>>) -> Result<T> {
    match limit {
        None => work.await,
        Some(limit) if limit.timeout.is_zero() => Err(limit.exceeded()),
        Some(limit) => timeout_at(limit.deadline, work).await.unwrap_or_else(|_| Err(limit.exceeded())),
    }
}

use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use humantime::FormattedDuration;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

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
pub(super) fn hold<T, F: Future<Output = Result<T>>>(limit: &Option<Limit>, work: F) -> Held<'_, F> {
    Held { limit: limit.as_ref(), work, sleep: None }
}

pin_project! {
    /// Work that is held to a deadline. Written by hand, because an async function would hold the work
    /// several times over, and it is all of a call.
    pub(super) struct Held<'a, F> {
        limit: Option<&'a Limit>,
        #[pin]
        work: F,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl<T, F: Future<Output = Result<T>>> Future for Held<'_, F> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let mut this = self.project();
        if let Some(limit) = this.limit.filter(|limit| limit.timeout.is_zero()) {
            return Poll::Ready(Err(limit.exceeded()));
        }
        if let Poll::Ready(done) = this.work.poll(task) {
            return Poll::Ready(done);
        }
        let Some(limit) = this.limit else { return Poll::Pending };
        if this.sleep.is_none() {
            this.sleep.set(Some(sleep_until(limit.deadline)));
        }
        let sleep = this.sleep.as_pin_mut().map(|sleep| sleep.poll(task));
        if let Some(Poll::Ready(())) = sleep { Poll::Ready(Err(limit.exceeded())) } else { Poll::Pending }
    }
}

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use humantime::FormattedDuration;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::context::Context;
use crate::endpoint::MethodDescriptor;
use crate::error::{Code, Error, Result};

/// The deadline of one call.
pub(super) struct Limit {
    deadline: Instant,
    /// What was left of the time when the call began.
    timeout: Duration,
    method: &'static MethodDescriptor,
    /// Whether somebody else looks at the clock.
    watched: AtomicBool,
}

impl Limit {
    pub(super) fn new(context: &Context, method: &'static MethodDescriptor, now: Instant) -> Option<Self> {
        let deadline = context.deadline()?;
        Some(Self {
            deadline,
            timeout: deadline.saturating_duration_since(now),
            method,
            watched: AtomicBool::new(false),
        })
    }

    /// The same deadline, for another attempt of the same call.
    pub(super) fn again(&self) -> Self {
        Self { watched: AtomicBool::new(false), ..*self }
    }

    /// Whether there is so much time left.
    pub(super) fn allows(&self, time: Duration) -> bool {
        Instant::now().checked_add(time).is_some_and(|then| then < self.deadline)
    }

    /// How much time there is left.
    pub(super) fn left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// From now on the work ends by itself when its time is up: its connection sees to that, with one
    /// clock for all its calls.
    pub(super) fn watch(&self) {
        self.watched.store(true, Ordering::Relaxed);
    }

    /// The work sees to nothing any more.
    pub(super) fn unwatch(&self) {
        self.watched.store(false, Ordering::Relaxed);
    }

    /// Does some of the work, unless the deadline passed. The clock is set only where the work waits, and
    /// sees to nothing by itself.
    pub(super) fn poll<T>(
        &self,
        sleep: &mut Option<Pin<Box<Sleep>>>,
        task: &mut TaskContext<'_>,
        work: impl FnOnce(&mut TaskContext<'_>) -> Poll<Result<T>>,
    ) -> Poll<Result<T>> {
        if self.timeout.is_zero() {
            return Poll::Ready(Err(self.exceeded()));
        }
        match work(task) {
            Poll::Ready(Err(error)) => Poll::Ready(Err(self.explain(error))),
            Poll::Ready(done) => Poll::Ready(done),
            Poll::Pending if self.watched.load(Ordering::Relaxed) => Poll::Pending,
            Poll::Pending => {
                let sleep = sleep.get_or_insert_with(|| Box::pin(sleep_until(self.deadline)));
                sleep.as_mut().poll(task).map(|()| Err(self.exceeded()))
            }
        }
    }

    /// The error of a call that began too late, where it did.
    #[inline]
    pub(super) fn refuses(&self) -> Result<()> {
        if self.timeout.is_zero() { Err(self.exceeded()) } else { Ok(()) }
    }

    /// Whether the deadline has passed.
    pub(super) fn is_over(&self) -> bool {
        self.timeout.is_zero() || Instant::now() >= self.deadline
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
        // Not where every call holds it.
        sleep: Option<Pin<Box<Sleep>>>,
    }
}

impl<T, F: Future<Output = Result<T>>> Future for Held<'_, F> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Result<T>> {
        let this = self.project();
        match this.limit {
            Some(limit) => limit.poll(this.sleep, task, |task| this.work.poll(task)),
            None => this.work.poll(task),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    const ASK: MethodDescriptor =
        MethodDescriptor::new::<(), ()>("test.v1.Probe", "Ask", "/test.v1.Probe/Ask", "");

    /// What becomes of this error of work that is over so long before the deadline.
    async fn held(before: Duration, error: Error) -> Error {
        let timeout = Duration::from_millis(200);
        let watched = AtomicBool::new(false);
        let limit = Limit { deadline: Instant::now() + before, timeout, method: &ASK, watched };
        hold(&Some(limit), async { Err::<(), _>(error) }).await.unwrap_err()
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

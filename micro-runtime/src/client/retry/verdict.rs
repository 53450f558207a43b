//! What follows from an attempt that failed.

use std::time::Duration;

use super::attempts::Course;
use crate::error::{Code, Error, Result};
use crate::protocol::Outgoing;

/// How long a call that has no deadline waits for a server that says when to come back. No caller means a day.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// An attempt that failed.
pub(super) struct Failed {
    pub(super) error: Error,
    /// Whether there was no node to be tried.
    pub(super) nowhere: bool,
}

/// Why there is no further attempt.
pub(super) enum Stop {
    /// Another attempt would not help, or might do harm.
    Useless,
    /// There were as many as there may be.
    Enough,
    /// Whoever made the first attempt of all goes on.
    Nested,
    /// The deadline would pass before.
    Late,
    /// The server asked for a longer wait than a call without a deadline is held for.
    Long,
    /// Most calls to the service fail.
    Broken,
    /// The budget is used up.
    Budget,
}

impl Course<'_> {
    /// Whether what an attempt failed with may be over at the next one.
    pub(super) fn passes(&self, Failed { error, nowhere }: &Failed) -> bool {
        if error.forbids_retry() || *nowhere {
            return false;
        }
        // A server that says when to come back is taken at its word, about what it has too much of.
        let asked = error.retry_after().is_some()
            && matches!(error.code(), Code::Unavailable | Code::ResourceExhausted);
        let repeatable = self.plan.repeatable;
        asked && (repeatable || error.was_never_processed())
            || repeatable && self.plan.codes.has(error.code())
    }

    /// How long to wait before the next attempt, or why there is none.
    pub(super) fn verdict(
        &self,
        failed: &Failed,
        outgoing: &Outgoing,
        made: u32,
        once: bool,
    ) -> Result<Duration, Stop> {
        if once || !self.passes(failed) || outgoing.method.request.stream {
            return Err(Stop::Useless);
        }
        if made > self.plan.retries {
            return Err(Stop::Enough);
        }
        if self.nested {
            return Err(Stop::Nested);
        }
        let wait = failed.error.retry_after().unwrap_or_else(|| self.plan.backoff.wait(made));
        if self.limit.as_ref().is_some_and(|limit| !limit.allows(wait)) {
            return Err(Stop::Late);
        }
        if self.limit.is_none() && failed.error.retry_after().is_some_and(|after| after > LONGEST_WAIT) {
            return Err(Stop::Long);
        }
        // Before the budget: what is refused anyway is not paid for, nor waited for.
        if self.target.admit().is_err() {
            return Err(Stop::Broken);
        }
        if !self.target.may_try_again() {
            return Err(Stop::Budget);
        }
        Ok(wait)
    }

    /// The error of the call.
    #[cold]
    pub(super) fn last(&self, error: Error, stop: &Stop, made: u32, unsure: bool) -> Error {
        let error = sure(error, unsure);
        let service = &self.channel.0.service;
        match stop {
            Stop::Useless => error,
            Stop::Enough if made < 2 => error,
            Stop::Enough => error.adding(format_args!("{made} attempts were made")).spent(),
            Stop::Nested => error
                .adding(format_args!(
                    "not tried again, since the call that it was made for is a retry itself"
                ))
                .spent(),
            Stop::Late => error.adding(format_args!("not tried again: the deadline is before that")),
            Stop::Long => error.adding(format_args!(
                "not tried again: the server asked for more than {} seconds, and the call has no deadline",
                LONGEST_WAIT.as_secs()
            )),
            Stop::Broken => error
                .adding(format_args!(
                    "not tried again: most of the last calls to `{service}` failed, and the circuit breaker of this \
                     client lets few through"
                ))
                .spent(),
            Stop::Budget => error
                .adding(format_args!("not tried again: the retry budget for `{service}` is used up"))
                .spent(),
        }
    }
}

/// The error of an attempt as that of a call: where an earlier attempt may have been processed, so may the call.
pub(super) fn sure(error: Error, unsure: bool) -> Error {
    if unsure { error.maybe_processed() } else { error }
}

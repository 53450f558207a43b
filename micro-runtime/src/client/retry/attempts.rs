//! The attempts of one call: one after the other, or one beside the other.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, sleep_until};

use super::policy::Plan;
use super::target::count;
use super::{Avoided, Target};
use crate::client::Channel;
use crate::client::core::Core;
use crate::client::failover::{self, Sent, Stage, Tried};
use crate::client::limit::Limit;
use crate::context::{Context, PREVIOUS_ATTEMPTS};
use crate::endpoint::Outbound;
use crate::error::{Code, Error, Result};
use crate::protocol::Outgoing;
use crate::selector::Route;

/// What all attempts of a call have in common.
pub(in crate::client) struct Course<'a> {
    core: &'a Core,
    channel: &'a Channel,
    target: &'a Target,
    limit: &'a Option<Limit>,
    plan: Plan,
    /// Whether the call is made for one that is a second attempt itself.
    nested: bool,
}

/// How an attempt ended, and what is to be known about it.
struct Ended {
    sent: Result<Sent>,
    /// Whether it was made beside another one.
    hedge: bool,
    /// Whether there was no node to be tried.
    nowhere: bool,
}

/// An attempt that failed.
struct Failed {
    error: Error,
    nowhere: bool,
}

/// Why there is no further attempt.
enum Stop {
    /// Another attempt would not help, or might do harm.
    Useless,
    /// There were as many as there may be.
    Enough,
    /// Whoever made the first attempt of all goes on.
    Nested,
    /// The deadline would pass before.
    Late,
    /// The budget is used up.
    Budget,
}

impl<'a> Course<'a> {
    pub(in crate::client) fn new(
        core: &'a Core,
        channel: &'a Channel,
        limit: &'a Option<Limit>,
        context: &Context,
        plan: Plan,
    ) -> Self {
        let nested = context.previous_attempts() > 0;
        Self { core, channel, target: core.target(channel), limit, plan, nested }
    }

    /// Goes on after the first attempt failed. `copy` is the request, where it was not encoded.
    pub(in crate::client) async fn go_on(
        self,
        outgoing: &mut Outgoing,
        copy: Option<Box<Bytes>>,
        tried: Tried,
        error: Error,
    ) -> Result<Sent> {
        self.target.failed(&error);
        if let Some(copy) = copy {
            outgoing.body = Outbound::One(*copy);
        } else if tried.consumed() || !matches!(outgoing.body, Outbound::One(_)) {
            return Err(error);
        }
        // The connection that saw to the deadline does so no longer.
        self.limit.iter().for_each(Limit::unwatch);
        let avoided = Avoided::new(tried.all().cloned());
        let failed = Failed { error, nowhere: tried.is_empty() };
        self.run(outgoing, None, &avoided, Some(failed)).await
    }

    /// Makes a call that may have several attempts at the same time.
    pub(in crate::client) async fn race(
        self,
        outgoing: &mut Outgoing,
        copy: Option<Box<Bytes>>,
    ) -> Result<Sent> {
        let avoided = Avoided::new(std::iter::empty());
        self.run(outgoing, copy, &avoided, None).await
    }

    async fn run(
        &self,
        outgoing: &mut Outgoing,
        mut copy: Option<Box<Bytes>>,
        avoided: &Arc<Avoided>,
        mut failed: Option<Failed>,
    ) -> Result<Sent> {
        let mut made = u32::from(failed.is_some());
        // Whether a node may have processed the request, whatever the last one says.
        let mut unsure = failed.as_ref().is_some_and(|failed| !failed.error.was_never_processed());
        let mut attempts = FuturesUnordered::new();
        let mut alarm = None;
        loop {
            if attempts.is_empty() {
                if let Some(failed) = failed.take() {
                    match self.verdict(&failed, outgoing, made) {
                        Ok(wait) => sleep(wait).await,
                        Err(stop) => return Err(self.last(failed.error, &stop, made, unsure)),
                    }
                    self.target.admit().map_err(|error| sure(error, unsure))?;
                    count(&self.target.counts.retries);
                    if !self.has_other_nodes(&outgoing.route, avoided) {
                        avoided.clear();
                    }
                }
                attempts.push(self.attempt(outgoing, &mut copy, avoided, made, false));
                made += 1;
                alarm = self.alarm();
            }
            tokio::select! {
                Some(ended) = attempts.next() => {
                    let error = match ended.sent {
                        Ok(sent) => {
                            self.target.answered();
                            if ended.hedge {
                                count(&self.target.counts.hedge_wins);
                            }
                            return Ok(sent);
                        }
                        Err(error) => error,
                    };
                    self.target.failed(&error);
                    unsure |= !error.was_never_processed();
                    let now = Failed { error, nowhere: ended.nowhere };
                    // What passes waits for the other one.
                    if !attempts.is_empty() && !now.nowhere && !self.passes(&now) {
                        return Err(self.last(now.error, &Stop::Useless, made, unsure));
                    }
                    if !now.nowhere || failed.is_none() {
                        failed = Some(now);
                    }
                }
                () = until(alarm) => {
                    alarm = None;
                    if self.begins_another(outgoing, avoided, made) {
                        let hedge = self.plan.hedge.is_some();
                        if hedge {
                            count(&self.target.counts.hedges);
                        } else {
                            count(&self.target.counts.retries);
                            self.target.timed_out();
                            unsure = true;
                            attempts.clear();
                            if !self.has_other_nodes(&outgoing.route, avoided) {
                                avoided.clear();
                            }
                        }
                        attempts.push(self.attempt(outgoing, &mut copy, avoided, made, hedge));
                        made += 1;
                        alarm = self.alarm();
                    }
                }
            }
        }
    }

    /// One attempt, from node to node until one may have processed the request.
    fn attempt<'s>(
        &'s self,
        outgoing: &mut Outgoing,
        copy: &mut Option<Box<Bytes>>,
        avoided: &Arc<Avoided>,
        number: u32,
        hedge: bool,
    ) -> BoxFuture<'s, Ended> {
        let mut own = outgoing.again();
        if let Some(copy) = copy.take() {
            outgoing.body = Outbound::One(*copy);
        }
        if number > 0 {
            self.channel.0.counted.of(outgoing.method, &self.core.metrics).again();
            // It is a number, and good for a value.
            let _ = own.metadata.insert(PREVIOUS_ATTEMPTS, number.to_string());
        }
        let limit = self.limit.as_ref().map(Limit::again);
        let mut tried = Tried::avoiding(avoided.clone(), !hedge);
        async move {
            let (core, channel, stage) = (self.core, self.channel, Stage::default());
            let sent = failover::send(core, channel, &mut own, &limit, &stage, &mut tried).await;
            let sent = sent.map_err(|error| stage.explain(error, &limit, &channel.0.service));
            Ended { sent, hedge, nowhere: tried.is_empty() }
        }
        .boxed()
    }

    /// When the attempt that begins now has taken so long that something is done about it.
    fn alarm(&self) -> Option<Instant> {
        let after = self.plan.hedge.or(self.plan.attempt_timeout)?;
        Instant::now().checked_add(after).filter(|_| self.plan.repeatable)
    }

    /// Whether another attempt begins while one goes on. Where not, that one keeps all the time there is.
    fn begins_another(&self, outgoing: &Outgoing, avoided: &Avoided, made: u32) -> bool {
        self.can_repeat(outgoing)
            && made <= self.plan.retries
            && !self.nested
            && (self.plan.hedge.is_none() || self.has_other_nodes(&outgoing.route, avoided))
            && self.target.admit().is_ok()
            && self.target.may_try_again()
    }

    /// Whether there is a node that no attempt was sent to.
    fn has_other_nodes(&self, route: &Route, avoided: &Avoided) -> bool {
        let now = Instant::now();
        let fleet = self.core.nodes.known(self.channel, route);
        fleet.is_some_and(|fleet| {
            fleet.everyone().iter().any(|node| node.is_available(now) && !avoided.has(node))
        })
    }

    fn can_repeat(&self, outgoing: &Outgoing) -> bool {
        !outgoing.method.request.stream && matches!(outgoing.body, Outbound::One(_))
    }

    /// Whether what an attempt failed with may be over at the next one.
    fn passes(&self, Failed { error, nowhere }: &Failed) -> bool {
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
    fn verdict(&self, failed: &Failed, outgoing: &Outgoing, made: u32) -> Result<Duration, Stop> {
        if !self.passes(failed) || !self.can_repeat(outgoing) {
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
        if !self.target.may_try_again() {
            return Err(Stop::Budget);
        }
        Ok(wait)
    }

    /// The error of the call.
    #[cold]
    fn last(&self, error: Error, stop: &Stop, made: u32, unsure: bool) -> Error {
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
            Stop::Budget => error
                .adding(format_args!("not tried again: the retry budget for `{service}` is used up"))
                .spent(),
        }
    }
}

/// The error of an attempt as that of a call: where an earlier attempt may have been processed, so may the call.
fn sure(error: Error, unsure: bool) -> Error {
    if unsure { error.maybe_processed() } else { error }
}

/// Waits until then, or for ever.
async fn until(alarm: Option<Instant>) {
    match alarm {
        Some(alarm) => sleep_until(alarm).await,
        None => std::future::pending().await,
    }
}

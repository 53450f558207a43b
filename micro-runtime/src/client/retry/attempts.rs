//! The attempts of one call: one after the other, or one beside the other.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::{BoxFuture, ready};
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, sleep_until};

use super::policy::{Plan, Sources, Wishes};
use super::target::count;
use super::verdict::{Failed, Stop};
use super::{Avoided, Target};
use crate::client::Channel;
use crate::client::core::Core;
use crate::client::failover::{self, Sent, Stage, Tried};
use crate::client::limit::Limit;
use crate::context::{Context, PREVIOUS_ATTEMPTS};
use crate::endpoint::Outbound;
use crate::error::{Code, Error, Result};
use crate::protocol::Outgoing;
use crate::selector::{Overdue, Route};

/// What a call is made with.
#[derive(Clone, Copy)]
pub(in crate::client) struct Given<'a> {
    pub(in crate::client) core: &'a Core,
    pub(in crate::client) channel: &'a Channel,
    pub(in crate::client) context: &'a Context,
    pub(in crate::client) wishes: Option<&'a Wishes>,
    pub(in crate::client) limit: &'a Option<Limit>,
    /// When the call began, just now.
    pub(in crate::client) began: Instant,
}

impl<'a> Given<'a> {
    /// Lets the call begin, or refuses it.
    #[inline]
    pub(in crate::client) fn begin(self) -> Result<()> {
        // It says nothing about any node, and no node is to hear of it.
        self.limit.as_ref().map_or(Ok(()), Limit::refuses)?;
        let target = self.core.target(self.channel);
        target.called();
        target.admit()
    }

    pub(in crate::client) fn sources(self) -> Sources<'a> {
        Sources { policy: &self.core.policy, wishes: self.wishes }
    }
}

/// What all attempts of a call have in common.
pub(super) struct Course<'a> {
    core: &'a Core,
    pub(super) channel: &'a Channel,
    pub(super) target: &'a Target,
    pub(super) limit: &'a Option<Limit>,
    pub(super) plan: Plan,
    /// Whether the call is made for one that is a second attempt itself.
    pub(super) nested: bool,
}

/// How an attempt ended, and what is to be known about it.
struct Ended {
    sent: Result<Sent>,
    /// Whether it was made beside another one.
    hedge: bool,
    /// Whether there was no node to be tried.
    nowhere: bool,
    /// Whether it had too little time.
    hasty: bool,
}

/// Makes the first attempt of a call, and the others where it fails.
// No `async fn`: its future would hold twice what it is given.
pub(in crate::client) fn first<'a>(
    given: Given<'a>,
    outgoing: &'a mut Outgoing,
) -> impl Future<Output = Result<Sent>> + Send + 'a {
    let copy = given.sources().copy(outgoing);
    async move {
        let (stage, mut tried) = (Stage::default(), Tried::from(given.began));
        // Not one expression with what follows: it would stay as long as that takes.
        let error = match failover::send(given.core, given.channel, outgoing, given.limit, &stage, &mut tried)
            .await
        {
            Ok(sent) => {
                given.core.target(given.channel).answered();
                return Ok(sent);
            }
            Err(error) => stage.explain(error, given.limit, &given.channel.0.service),
        };
        go_on(given, outgoing, copy, tried, error).await
    }
}

/// Makes a call that may have several attempts at the same time.
pub(in crate::client) fn race<'a>(
    given: Given<'a>,
    outgoing: &'a mut Outgoing,
) -> BoxFuture<'a, Result<Sent>> {
    let copy = given.sources().copy(outgoing);
    let course = Course::new(given, outgoing);
    let avoided = Avoided::new(std::iter::empty());
    async move { course.run(outgoing, copy, &avoided, None).await }.boxed()
}

/// Goes on after the first attempt failed. `copy` is the request, where it was not encoded.
#[cold]
fn go_on<'a>(
    given: Given<'a>,
    outgoing: &'a mut Outgoing,
    copy: Option<Box<Bytes>>,
    tried: Tried,
    error: Error,
) -> BoxFuture<'a, Result<Sent>> {
    let course = Course::new(given, outgoing);
    if !tried.was_hasty() {
        course.target.failed(&error);
    }
    // The connection that saw to the deadline does so no longer.
    given.limit.iter().for_each(Limit::unwatch);
    if let Some(copy) = copy {
        outgoing.body = Outbound::One(*copy);
    } else if !tried.consumed()
        && let Outbound::Carried(_) = outgoing.body
    {
        // Who refused it handed it back. What cannot be written is not sent again.
        if !written(outgoing) {
            return ready(Err(error)).boxed();
        }
    } else if tried.consumed() || !matches!(outgoing.body, Outbound::One(_)) {
        return ready(Err(error)).boxed();
    }
    let failed = Failed { error, nowhere: tried.is_empty() };
    let avoided = Avoided::new(tried.all().cloned());
    async move { course.run(outgoing, None, &avoided, Some(failed)).await }.boxed()
}

impl<'a> Course<'a> {
    fn new(given: Given<'a>, outgoing: &Outgoing) -> Self {
        let Given { core, channel, context, limit, .. } = given;
        let nested = context.previous_attempts() > 0;
        Self {
            core,
            channel,
            target: core.target(channel),
            limit,
            plan: given.sources().plan(outgoing),
            nested,
        }
    }

    async fn run(
        &self,
        outgoing: &mut Outgoing,
        mut copy: Option<Box<Bytes>>,
        avoided: &Arc<Avoided>,
        mut failed: Option<Failed>,
    ) -> Result<Sent> {
        let mut made = u32::from(failed.is_some());
        // A message that cannot be written is handed over once.
        let once = copy.is_none() && !matches!(outgoing.body, Outbound::One(_));
        // Whether a node may have processed the request, whatever the last one says.
        let mut unsure = failed.as_ref().is_some_and(|failed| !failed.error.was_never_processed());
        let mut attempts = FuturesUnordered::new();
        let mut alarm = None;
        // Whether a server asked for no further attempt.
        let mut forbidden = false;
        // How the attempt that began last learns that it took too long.
        let mut overdue = Arc::default();
        loop {
            if attempts.is_empty() {
                if let Some(failed) = failed.take() {
                    match self.verdict(&failed, outgoing, made, once || forbidden) {
                        Ok(wait) => sleep(wait).await,
                        Err(stop) => return Err(self.last(failed.error, &stop, made, unsure)),
                    }
                    count(&self.target.counts.retries);
                    if !self.has_other_nodes(&outgoing.route, avoided) {
                        avoided.clear();
                    }
                }
                overdue = Arc::default();
                attempts.push(self.attempt(outgoing, &mut copy, avoided, made, false, &overdue));
                made += 1;
                alarm = self.alarm();
            }
            tokio::select! {
                // An answer that is there counts, also where the time is up.
                biased;
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
                    if !ended.hasty {
                        self.target.failed(&error);
                    }
                    unsure |= !error.was_never_processed();
                    forbidden |= error.forbids_retry();
                    let now = Failed { error, nowhere: ended.nowhere };
                    // What passes waits for the other one, and so does what is the fault of this one alone.
                    if !attempts.is_empty() && !now.nowhere && !self.passes(&now) && !is_its_own(&now.error) {
                        // The others are given up, wherever they are.
                        unsure = true;
                        return Err(self.last(now.error, &Stop::Useless, made, unsure));
                    }
                    if !now.nowhere || failed.is_none() {
                        failed = Some(now);
                    }
                }
                () = until(alarm) => {
                    alarm = None;
                    if !once && !forbidden && self.begins_another(outgoing, avoided, made) {
                        let hedge = self.plan.hedge.is_some();
                        if hedge {
                            count(&self.target.counts.hedges);
                        } else {
                            count(&self.target.counts.retries);
                            unsure = true;
                            overdue.set();
                            attempts.clear();
                            // It says nothing of the service where there was less time than its node takes.
                            if overdue.is_failure() {
                                self.target.timed_out();
                            }
                            if !self.has_other_nodes(&outgoing.route, avoided) {
                                avoided.clear();
                            }
                        }
                        overdue = Arc::default();
                        attempts.push(self.attempt(outgoing, &mut copy, avoided, made, hedge, &overdue));
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
        overdue: &Arc<Overdue>,
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
        let mut tried = Tried::avoiding(avoided.clone(), !hedge, overdue.clone());
        async move {
            let (core, channel, stage) = (self.core, self.channel, Stage::default());
            let sent = failover::send(core, channel, &mut own, &limit, &stage, &mut tried).await;
            let sent = sent.map_err(|error| stage.explain(error, &limit, &channel.0.service));
            Ended { sent, hedge, nowhere: tried.is_empty(), hasty: tried.was_hasty() }
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
        !outgoing.method.request.stream
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
}

/// Writes a message that could have stayed in the process, and says whether there is one.
fn written(outgoing: &mut Outgoing) -> bool {
    let Outbound::Carried(carried) = outgoing.take_body() else { return false };
    let Ok(body @ Outbound::One(_)) = carried.write(&outgoing.codec) else { return false };
    outgoing.body = body;
    true
}

/// Whether an attempt beside it may do better: its node is busy or asks to be left alone, or the two were in each other's
/// way.
fn is_its_own(error: &Error) -> bool {
    matches!(error.code(), Code::Unavailable | Code::ResourceExhausted | Code::Aborted)
}

/// Waits until then, or for ever.
async fn until(alarm: Option<Instant>) {
    match alarm {
        Some(alarm) => sleep_until(alarm).await,
        None => std::future::pending().await,
    }
}

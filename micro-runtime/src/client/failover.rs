//! Picks a node and sends; moves to another node where it is sure that the request was not
//! processed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::time::{Instant, timeout};

use super::Channel;
use super::connections::{Connection, Way};
use super::core::Core;
use super::limit::{Limit, hold};
use super::local::{self, Inside};
use super::retry::{self, Avoided};
use crate::endpoint::Outbound;
use crate::error::{Code, Error, Result};
use crate::protocol::{self, Answer, Outgoing, Protocol, Target, native};
use crate::selector::{Candidate, Fleet, Outcome, Overdue, Pick, Route};

/// How many connections to a node, one after the other, may be found to be closing. Each was there before
/// the call, and so may be the next one, where many calls make them.
const FAREWELLS: usize = 3;

/// How many nodes are tried that are out of use: each may take as long as a connection may.
const LAST_RESORTS: u32 = 3;

/// So many nodes may refuse a call because they have too many, before it is no longer sent to the next one at
/// once: where all are busy, no call is to visit all.
const REFUSALS: u32 = 2;

/// A node that has not even taken a connection after this time is away. TCP has asked it twice by then (RFC 6298,
/// section 2).
const SURELY_AWAY: Duration = Duration::from_secs(1);

/// What an attempt that succeeds comes to.
pub(super) type Sent = (Answer, Pick);

/// Sends to one node after the other until one may have processed the request. None is tried again,
/// but for one whose connection was about to close and that nobody can stand in for. The call counts as
/// in flight at its node until the pick is dropped.
pub(super) async fn send(
    core: &Core,
    channel: &Channel,
    outgoing: &mut Outgoing,
    limit: &Option<Limit>,
    stage: &Stage,
    tried: &mut Tried,
) -> Result<Sent> {
    // Then the answer is returned before the node has said anything.
    let unheard = outgoing.method.request.stream && outgoing.method.response.stream;
    loop {
        let picked = match core.nodes.known(channel, &outgoing.route) {
            Some(fleet) => {
                stage.set(Stage::CONNECTING);
                tried.pick(core, &fleet, &outgoing.route)?
            }
            None => {
                tried.began = None;
                hold(limit, look_up(core, channel, &outgoing.route, tried, stage).boxed()).await?
            }
        };
        let Some(mut pick) = picked else {
            if tried.begins_anew() {
                continue;
            }
            return Err(tried.take_error(&channel.0.service));
        };
        if !tried.is_empty() {
            channel.0.counted.of(outgoing.method, &core.metrics).again();
        }
        tried.picked(pick.candidate());
        match local::call(core, pick.candidate().node(), outgoing)? {
            Inside::Send => {}
            Inside::Called(answer) => {
                stage.set(Stage::SENT);
                tried.consumed = true;
                tried.sends(&mut pick);
                let start = pick.since();
                return match hold(limit, answer).await {
                    Ok(answer) => {
                        if !unheard {
                            pick.answers(start);
                        }
                        Ok((local::answer(answer), pick))
                    }
                    Err(error) => {
                        tried.gave_up(&pick, &error);
                        pick.done(outcome(&error));
                        Err(error)
                    }
                };
            }
            Inside::Refused(error) => {
                if tried.moves(&error, core.target(channel)) && !is_over(limit) {
                    tried.was_refused(pick, error, true, false);
                    continue;
                }
                tried.gave_up(&pick, &error);
                pick.done(outcome(&error));
                return Err(error);
            }
        }
        // A single message can be sent again; a stream is used up by the first try.
        let again = matches!(outgoing.body, Outbound::One(_));
        let node = pick.candidate().node();
        let (protocol, told) = match core.protocol {
            Some(protocol) => (protocol, true),
            None => (Protocol::of_node(&node.metadata, core.prefers_http), false),
        };
        let mut patience = None;
        let way = match core.connections.ready(&node.address, protocol) {
            Some(way) => Ok(way),
            // It is large, and seldom needed.
            None => {
                // Where there is a connection it is waited for a place on it, which another node may not have either.
                if !core.connections.is_open(&node.address) {
                    patience = tried.patience(core, channel, &outgoing.route, pick.candidate(), limit);
                }
                let connecting = core.connections.way(&node.address, protocol, told);
                hold(limit, patiently(connecting, &node.address, patience).boxed()).await
            }
        };
        let way = match way {
            Ok(way) => way,
            Err(error) if is_over(limit) => {
                // It may be no fault of the node that so little time was left, or that it is full.
                let address = &pick.candidate().node().address;
                if pick.since().elapsed() >= SURELY_AWAY && !core.connections.is_open(address) {
                    core.nodes.suspect(pick.candidate());
                    pick.done(Outcome::Unreachable);
                }
                return Err(error);
            }
            Err(error)
                if patience
                    .is_some_and(|patience| (patience..SURELY_AWAY).contains(&pick.since().elapsed())) =>
            {
                // Nothing is known of it yet: a handshake may take that long.
                let node = pick.candidate().clone();
                drop(pick);
                tried.nodes.push(Attempt { node, error, reused: false });
                continue;
            }
            Err(error) => {
                let node = pick.candidate().clone();
                pick.done(Outcome::Unreachable);
                core.nodes.suspect(&node);
                tried.nodes.push(Attempt { node, error, reused: false });
                continue;
            }
        };
        stage.set(Stage::SENT);
        tried.sends(&mut pick);
        let reused = way.is_reused();
        // Where there was a connection nothing was waited for.
        let start = if reused { pick.since() } else { Instant::now() };
        // Held to the deadline here, so that a node that does not answer is known to have failed.
        let answered = match way {
            Way::Native { connection, .. } => {
                let watched = || limit.iter().for_each(Limit::watch);
                hold(limit, native::client::call(connection, outgoing, start, watched)).await
            }
            // It is large, and nothing of it is needed for the other way.
            Way::Http(protocol, connection) => {
                let stream = !outgoing.method.is_unary();
                let connection = if stream { connection.for_stream() } else { connection };
                let call = over_http(protocol, outgoing.again(), &channel.0.service, connection);
                hold(limit, call.boxed()).await
            }
        };
        match answered {
            Ok(answer) => {
                if !unheard {
                    pick.answers(start);
                }
                return Ok((answer, pick));
            }
            Err(error)
                if error.was_never_processed()
                    && again
                    && !is_over(limit)
                    && tried.moves(&error, core.target(channel)) =>
            {
                limit.iter().for_each(Limit::unwatch);
                tried.was_refused(pick, error, reused, reused);
            }
            Err(error) => {
                tried.gave_up(&pick, &error);
                pick.done(outcome(&error));
                return Err(error);
            }
        }
    }
}

/// Whether a server said no, be it in this process, and not its connection.
fn is_refusal(error: &Error) -> bool {
    error.is_remote() || error.code() == Code::ResourceExhausted
}

fn is_over(limit: &Option<Limit>) -> bool {
    limit.as_ref().is_some_and(Limit::is_over)
}

/// Waits for a connection, and where somebody else can stand in, no longer than this. What was begun goes on for
/// the calls to come.
async fn patiently(
    connecting: impl Future<Output = Result<Way>>,
    address: &str,
    patience: Option<Duration>,
) -> Result<Way> {
    let Some(patience) = patience else { return connecting.await };
    timeout(patience, connecting).await.unwrap_or_else(|_| {
        let waited = humantime::format_duration(Duration::from_millis(patience.as_millis() as u64));
        let message =
            format!("cannot connect to {address}: nothing was heard for {waited}, half of the time left");
        Err(Error::unavailable(message).never_processed())
    })
}

/// Waits until nodes are known, and picks one that was not tried; `None` where there is none left.
async fn look_up(
    core: &Core,
    channel: &Channel,
    route: &Route,
    tried: &mut Tried,
    stage: &Stage,
) -> Result<Option<Pick>> {
    stage.set(Stage::LOOKING);
    match core.nodes.wait(channel, route).await {
        Ok(fleet) => {
            stage.set(Stage::CONNECTING);
            tried.pick(core, &fleet, route)
        }
        // A registry that took the last node out because it did not answer: say that it did not.
        Err(_) if !tried.is_empty() => Ok(None),
        Err(error) => Err(error),
    }
}

async fn over_http(
    protocol: Protocol,
    outgoing: Outgoing,
    service: &str,
    connection: Connection,
) -> Result<Answer> {
    let (scheme, authority) = (connection.scheme().clone(), connection.authority().clone());
    let target = Target { service, scheme: &scheme, authority: &authority, version: connection.version() };
    protocol::call(protocol, outgoing, target, |request| connection.send(request)).await
}

/// How far a call is, for the error of one that does not get further.
#[derive(Debug, Default)]
pub(super) struct Stage(AtomicU8);

impl Stage {
    const LOOKING: u8 = 0;
    const CONNECTING: u8 = 1;
    const SENT: u8 = 2;

    fn set(&self, stage: u8) {
        self.0.store(stage, Ordering::Relaxed);
    }

    /// The error of a call that was as far as this when it ended.
    pub(super) fn explain(&self, error: Error, limit: &Option<Limit>, service: &str) -> Error {
        match (limit, self.before_sending()) {
            (Some(limit), Some(doing)) if error.code() == Code::DeadlineExceeded => {
                limit.exceeded_while(doing, service)
            }
            _ => error,
        }
    }

    /// What was being done, where the request was not sent yet.
    fn before_sending(&self) -> Option<&'static str> {
        match self.0.load(Ordering::Relaxed) {
            Self::LOOKING => Some("looking for a node of the service"),
            Self::CONNECTING => Some("connecting to a node of the service"),
            _ => None,
        }
    }
}

/// Whether an error says something about the node, or only about the request.
pub(super) fn outcome(error: &Error) -> Outcome {
    match error.code() {
        Code::Unavailable | Code::Internal | Code::Unknown | Code::DataLoss => Outcome::Failed,
        Code::DeadlineExceeded => Outcome::TimedOut,
        Code::ResourceExhausted => Outcome::Overloaded,
        _ => Outcome::Ok,
    }
}

/// The nodes that did not take the request, and why.
#[derive(Default)]
pub(super) struct Tried {
    /// When the call began, until its first node is picked: that is the same moment.
    began: Option<Instant>,
    nodes: Vec<Attempt>,
    /// How many of them were out of use already.
    last_resorts: u32,
    /// How many of them had too many calls.
    refusals: u32,
    /// Where the request may have been processed, or was refused last.
    last: Option<Arc<Candidate>>,
    /// Whether the call ran out of time before its node could have answered.
    hasty: bool,
    /// Whether the request was handed over and is not here any more.
    consumed: bool,
    /// The nodes that other attempts of the same call were sent to.
    avoided: Option<Arc<Avoided>>,
    /// Whether those may be tried again where no other one is left.
    repeats: bool,
    /// How the node hears that the attempt took too long, where that is looked at.
    overdue: Option<Arc<Overdue>>,
}

struct Attempt {
    node: Arc<Candidate>,
    error: Error,
    /// Whether the connection was there before this call, and may have been about to close.
    reused: bool,
}

impl Tried {
    /// For an attempt of a call that has others. It `repeats` a node of theirs where no other one is left.
    pub(super) fn avoiding(avoided: Arc<Avoided>, repeats: bool, overdue: Arc<Overdue>) -> Self {
        Self { avoided: Some(avoided), repeats, overdue: Some(overdue), ..Self::default() }
    }

    /// For the first attempt of a call that begins now.
    pub(super) fn from(began: Instant) -> Self {
        Self { began: Some(began), ..Self::default() }
    }

    /// Whether no node was found that could be tried.
    pub(super) fn is_empty(&self) -> bool {
        self.nodes.is_empty() && self.last.is_none()
    }

    /// From now on the node has the request, and the time it takes is its own.
    fn sends(&self, pick: &mut Pick) {
        if let Some(overdue) = &self.overdue {
            pick.heeds(overdue);
        }
    }

    /// Notes a node that surely did not process the request. A server that has too many calls says so; a connection
    /// that was there and ends says nothing of its node, nor does one that `leaves`.
    fn was_refused(&mut self, pick: Pick, error: Error, leaves: bool, reused: bool) {
        let node = pick.candidate().clone();
        if leaves && !is_refusal(&error) {
            pick.withdraw();
        } else {
            pick.done(outcome(&error));
        }
        self.nodes.push(Attempt { node, error, reused });
    }

    /// Notes where the request may have been processed.
    fn gave_up(&mut self, pick: &Pick, error: &Error) {
        self.last = Some(pick.candidate().clone());
        self.hasty = error.code() == Code::DeadlineExceeded && pick.is_in_time();
    }

    /// Whether the call ran out of time before its node could have answered, which says nothing of the node.
    pub(super) fn was_hasty(&self) -> bool {
        self.hasty
    }

    /// Whether the request is not here any more.
    pub(super) fn consumed(&self) -> bool {
        self.consumed
    }

    /// All nodes that were tried.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Candidate>> {
        self.nodes.iter().map(|tried| &tried.node).chain(&self.last)
    }

    /// Tells the other attempts where this one goes.
    fn picked(&self, node: &Arc<Candidate>) {
        if let Some(avoided) = &self.avoided {
            avoided.add(node);
        }
    }

    /// Whether there is somewhere to go once the nodes of earlier attempts may be tried again.
    fn begins_anew(&self) -> bool {
        self.repeats && self.avoided.as_ref().is_some_and(|avoided| avoided.clear())
    }

    /// Whether a call that a node did not take goes to the next one at once. What is closing or away is left for
    /// nothing; where a server says that it has too many calls, another attempt is one more call for the others.
    fn moves(&mut self, error: &Error, target: &retry::Target) -> bool {
        if !is_refusal(error) {
            return true;
        }
        self.refusals += 1;
        let moves = self.refusals <= REFUSALS && !error.forbids_retry() && target.may_try_again();
        if moves {
            target.failed(error);
        }
        moves
    }

    /// By its address: a node may register anew, as another candidate, while a call goes on.
    fn of<'a>(&'a self, node: &'a Candidate) -> impl Iterator<Item = &'a Attempt> {
        self.nodes.iter().filter(|tried| tried.node.node().address == node.node().address)
    }

    /// How long to wait for a connection to this node: half of the time that is left, where there is another node to
    /// go to. A host that vanished says nothing, and a call is not to use all of its time up on it.
    #[cold]
    fn patience(
        &self,
        core: &Core,
        channel: &Channel,
        route: &Route,
        picked: &Arc<Candidate>,
        limit: &Option<Limit>,
    ) -> Option<Duration> {
        let (left, now) = (limit.as_ref()?.left(), Instant::now());
        let fleet = core.nodes.known(channel, route)?;
        let can_stand_in =
            |node: &Arc<Candidate>| !Arc::ptr_eq(node, picked) && node.is_available(now) && !self.has(node);
        fleet.everyone().iter().any(can_stand_in).then_some(left / 2)
    }

    fn has(&self, node: &Candidate) -> bool {
        self.of(node).next().is_some() || self.avoided.as_ref().is_some_and(|avoided| avoided.has(node))
    }

    /// Whether a node did not take the request only because its connection was closing, as far as a few
    /// attempts can tell: another connection is worth another one. What a node does not take on a connection
    /// that was just made, it does not take on the next one either.
    fn was_leaving(&self, node: &Candidate) -> bool {
        let attempts = self.of(node).take(FAREWELLS + 1).count();
        (1..=FAREWELLS).contains(&attempts) && self.of(node).all(|attempt| attempt.reused)
    }

    /// Picks among the nodes that are in use, and among all where none is: a node that was
    /// unreachable a moment ago is better than no answer. Fails where there are nodes, but none that the call wants.
    fn pick(&mut self, core: &Core, fleet: &Fleet, route: &Route) -> Result<Option<Pick>> {
        let now = self.began.take();
        let has = |node: &Candidate| self.has(node);
        let all = self.nodes.is_empty() && self.avoided.is_none();
        let excluded: Option<&dyn Fn(&Candidate) -> bool> = if all { None } else { Some(&has) };
        if let Some(pick) = core.balancing.pick(fleet, route.key, excluded, now) {
            return Ok(Some(pick));
        }
        self.pick_any(core, fleet, route)
    }

    #[cold]
    fn pick_any(&mut self, core: &Core, fleet: &Fleet, route: &Route) -> Result<Option<Pick>> {
        if let Some(refusal) = fleet.refusal().filter(|_| self.is_empty()) {
            return Err(refusal);
        }
        let nodes = fleet.everyone();
        let leaving: Vec<_> = nodes.iter().filter(|node| self.was_leaving(node)).cloned().collect();
        if !leaving.is_empty() {
            return Ok(core.balancing.pick_any(leaving, route.key));
        }
        if self.last_resorts >= LAST_RESORTS {
            return Ok(None);
        }
        self.last_resorts += 1;
        let untried: Vec<_> = nodes.iter().filter(|node| !self.has(node)).cloned().collect();
        Ok(core.balancing.pick_any(untried, route.key))
    }

    #[cold]
    fn take_error(&mut self, service: &str) -> Error {
        let Some(Attempt { error: last, node, .. }) = self.nodes.pop() else {
            return Error::unavailable(format!("no node of `{service}` is known")).never_processed();
        };
        // It is known, be it the only one, and may take the call a moment later.
        self.last = Some(node);
        if self.nodes.is_empty() {
            return last;
        }
        let others: Vec<_> = self.nodes.iter().map(|tried| tried.error.message()).collect();
        let message =
            format!("no node of `{service}` took the call: {}; {}", others.join("; "), last.message());
        let all = self.nodes.iter().map(|tried| &tried.error).chain([&last]);
        let after = all.filter_map(Error::retry_after).min();
        let error = Error::new(last.code(), message).with_source(last).never_processed();
        match after {
            Some(after) => error.with_retry_after(after),
            None => error,
        }
    }
}

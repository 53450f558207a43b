use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use super::presence::Presence;
use super::registrar::{Registrar, Want};
use super::rejoin::Rejoin;
use super::state::{Machine, NodeState};
use crate::error::{Code, Error, Result};
use crate::health::Check;
use crate::registry::{Registration, Registry};

/// How long leaving the registry may hold a stopping service up, before it stops without it.
const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// A node between the moment that it takes calls and the one that it leaves: the task that owns its state.
///
/// The task looks at the health of the node, decides whether it should be in the registry, and has that done. It is
/// there before the node is registered for the first time, so that a start that is given up leaves nothing behind.
pub(super) struct Node {
    registry: &'static str,
    ttl: Duration,
    started: Option<oneshot::Receiver<Result<()>>>,
    task: JoinHandle<Result<()>>,
    content: watch::Sender<Arc<Registration>>,
    /// Dropping it makes the task take the node out.
    present: DropGuard,
}

/// What the task works with.
pub(super) struct Terms {
    pub(super) machine: Machine,
    pub(super) presence: Presence,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) registration: Registration,
    pub(super) ttl: Duration,
    pub(super) interval: Duration,
    /// Whether a registry that is down is no obstacle to the start.
    pub(super) in_background: bool,
    pub(super) checks: Vec<(String, Check)>,
}

impl Node {
    /// Has the checks run, and registers where they succeed.
    pub(super) fn start(terms: Terms) -> Self {
        let (told, started) = oneshot::channel();
        let leave = CancellationToken::new();
        let (content, contents) = watch::channel(Arc::new(terms.registration.clone()));
        let (registry, ttl) = (terms.registry.name(), terms.ttl);
        let task = tokio::spawn(keep(terms, contents, told, leave.clone()));
        Self { registry, ttl, started: Some(started), task, content, present: leave.drop_guard() }
    }

    /// Waits until the node is registered, or is not to be, because it is not healthy.
    pub(super) async fn started(&mut self) -> Result<()> {
        match self.started.take() {
            Some(started) => started.await.unwrap_or_else(|_| Err(panicked())),
            None => Ok(()),
        }
    }

    /// What the registry is told about the node, now and whenever it is sent something else.
    pub(super) fn content(&self) -> &watch::Sender<Arc<Registration>> {
        &self.content
    }

    /// Takes the node out of the registry, and waits for it up to [`LEAVE_LIMIT`]. What takes
    /// longer goes on in the background.
    pub(super) async fn leave(self) -> Result<()> {
        let Self { registry, ttl, mut task, present, .. } = self;
        drop(present);
        match timeout(LEAVE_LIMIT, &mut task).await {
            Ok(left) => left.unwrap_or_else(|_| Err(panicked())),
            Err(_) => Err(Error::deadline_exceeded(format!(
                "the registry `{registry}` did not let the node go within {}: callers may be sent to it until it is \
                 forgotten, {} after its last registration",
                humantime::format_duration(LEAVE_LIMIT),
                humantime::format_duration(ttl)
            ))),
        }
    }
}

#[cold]
fn panicked() -> Error {
    Error::internal("the task that keeps the node in the registry panicked, which is a bug of micro")
}

/// Looks after the node until it leaves.
async fn keep(
    terms: Terms,
    mut contents: watch::Receiver<Arc<Registration>>,
    told: oneshot::Sender<Result<()>>,
    leave: CancellationToken,
) -> Result<()> {
    let Terms { machine, presence, registry, ttl, interval, in_background, checks, .. } = terms;
    let health = machine.health().clone();
    let run = |(name, check)| AbortOnDropHandle::new(tokio::spawn(health.follow(name, check)));
    let _checks: Vec<_> = checks.into_iter().map(run).collect();
    let mut verdicts = health.watch();
    tokio::select! {
        biased;
        () = leave.cancelled() => return Ok(()),
        () = health.known() => {}
    }
    let (want, wanted) = watch::channel(Want::Absent);
    let (answered, mut answer) = oneshot::channel();
    let registrar = Registrar {
        registry,
        ttl,
        interval,
        want: wanted,
        presence,
        first: Some(answered),
        held: None,
        eyes: None,
    };
    let mut registrar = std::pin::pin!(registrar.run());
    let rejoin = Rejoin::default();
    let mut keeper =
        Keeper { machine, want, told: Some(told), in_background, rejoin, waits: false, asked: false };
    loop {
        verdicts.mark_unchanged();
        // Looked at, and not marked as seen: it may be used for nothing, and then `changed` below still tells of it.
        let content = contents.borrow().clone();
        let again = keeper.look(&content);
        tokio::select! {
            biased;
            // It ends only after it was told to leave.
            left = &mut registrar => return left,
            () = leave.cancelled() => {
                // Where it was stopped in order, it is that already.
                keeper.machine.go(NodeState::Draining, "it was dropped, and not stopped");
                keeper.want.send_replace(Want::Leave);
                return registrar.await;
            }
            answered = &mut answer, if keeper.asked && keeper.told.is_some() => {
                keeper.answered(answered.unwrap_or(Ok(())));
            }
            _ = verdicts.changed() => {}
            Ok(()) = contents.changed() => keeper.describe(&contents.borrow_and_update()),
            () = sleep_until(again.unwrap_or_else(Instant::now)), if again.is_some() => {}
        }
    }
}

/// What decides where the node belongs.
struct Keeper {
    machine: Machine,
    want: watch::Sender<Want>,
    /// Who waits for the end of the start.
    told: Option<oneshot::Sender<Result<()>>>,
    in_background: bool,
    rejoin: Rejoin,
    /// Whether it was said that a healthy node stays out for a while.
    waits: bool,
    /// Whether the node was ever to be registered.
    asked: bool,
}

impl Keeper {
    /// Decides by the health of the node; where it has to wait, it says until when.
    fn look(&mut self, registration: &Arc<Registration>) -> Option<Instant> {
        let now = Instant::now();
        match (self.machine.health().complaint(), self.machine.state()) {
            (Some(reason), before @ (NodeState::Starting | NodeState::Ready)) => {
                self.machine.go(NodeState::Unhealthy, &reason);
                self.want.send_replace(Want::Absent);
                // Of one that was never in nobody has heard.
                if before == NodeState::Ready {
                    self.rejoin.out(now);
                }
                self.waits = false;
                self.tell(Ok(()));
            }
            (None, NodeState::Starting) if !self.asked => {
                self.asked = true;
                self.want.send_replace(Want::Present(registration.clone()));
            }
            (None, NodeState::Unhealthy) => {
                if let Some(until) = self.rejoin.wait(now) {
                    if !std::mem::replace(&mut self.waits, true) {
                        let wait =
                            humantime::format_duration(Duration::from_secs((until - now).as_secs() + 1));
                        tracing::info!(
                            "the node is healthy again, and stays out of the registry for {wait}: it was taken out \
                             several times lately"
                        );
                    }
                    return Some(until);
                }
                self.join(now, "it is healthy again");
                self.want.send_replace(Want::Present(registration.clone()));
            }
            _ => {}
        }
        None
    }

    /// Goes on with the start, now that the registry has answered for the first time.
    fn answered(&mut self, registered: Result<()>) {
        let now = Instant::now();
        match registered {
            Ok(()) => self.join(now, "it is registered"),
            // What the registry cannot hold now it never can.
            Err(error) if self.in_background && error.code() != Code::InvalidArgument => {
                self.join(now, &format!("it takes calls, and registers once it can: {error}"));
            }
            Err(error) => {
                self.want.send_replace(Want::Absent);
                return self.tell(Err(error));
            }
        }
        self.tell(Ok(()));
    }

    fn join(&mut self, now: Instant, reason: &str) {
        if self.machine.go(NodeState::Ready, reason) {
            self.rejoin.back(now);
        }
    }

    /// Has the registry told of another content.
    fn describe(&self, registration: &Arc<Registration>) {
        if matches!(*self.want.borrow(), Want::Present(_)) {
            self.want.send_replace(Want::Present(registration.clone()));
        }
    }

    fn tell(&mut self, outcome: Result<()>) {
        if let Some(told) = self.told.take() {
            // Nobody listens where the start was given up.
            let _ = told.send(outcome);
        }
    }
}

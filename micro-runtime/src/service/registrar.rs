use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, timeout};

use super::eyes::Eyes;
use super::presence::Presence;
use crate::error::{Code, Error, Result};
use crate::registry::{Registration, Registry};

/// How long the registry may take to answer, before it is asked again.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// How long a request under way may hold up what is wanted by now: it may arrive, and is then taken back.
const RENEWAL_LIMIT: Duration = Duration::from_secs(1);

/// The pause after the first request that failed: half of this to all of it, doubled each time…
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// …up to this, so that a registry which is there again has its nodes again within seconds.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a node that finds itself missing waits at the most, so that a registry which lost all its nodes does not
/// hear of all of them at once.
const LOST_PAUSE: Duration = Duration::from_secs(1);

/// How the registry should be.
#[derive(Clone, Debug)]
pub(super) enum Want {
    /// Without the node.
    Absent,
    /// With it, as described here.
    Present(Arc<Registration>),
    /// Without the node, and that is the end.
    Leave,
}

impl Want {
    fn is(&self, registration: &Arc<Registration>) -> bool {
        matches!(self, Self::Present(wanted) if Arc::ptr_eq(wanted, registration))
    }
}

/// Makes the registry as it is wanted, and keeps it so.
///
/// All that is said about the node is said by one future, one thing after the other: a renewal cannot come in
/// after the node was taken out.
pub(super) struct Registrar {
    pub(super) registry: Arc<dyn Registry>,
    pub(super) ttl: Duration,
    pub(super) interval: Duration,
    pub(super) want: watch::Receiver<Want>,
    pub(super) presence: Presence,
    /// Who waits for the first answer.
    pub(super) first: Option<oneshot::Sender<Result<()>>>,
    /// What the registry may hold.
    pub(super) held: Option<Arc<Registration>>,
    /// What sees that the registry has lost the node, as long as that is to be there and the registry may lose it.
    pub(super) eyes: Option<Eyes>,
}

impl Registrar {
    /// Follows what is wanted, until the node is to leave.
    pub(super) async fn run(mut self) -> Result<()> {
        loop {
            let want = self.want.borrow_and_update().clone();
            match want {
                Want::Present(registration) => self.stay_in(registration).await,
                Want::Absent => self.stay_out().await,
                Want::Leave => return self.take_out().await,
            }
        }
    }

    /// Registers and renews, until something else is wanted.
    async fn stay_in(&mut self, registration: Arc<Registration>) {
        let registry = self.registry.clone();
        let mut failures = 0;
        loop {
            let begun = Instant::now();
            let registered = tokio::select! {
                biased;
                registered = answer(registry.name(), registry.register(&registration, self.ttl)) => registered,
                () = late(&mut self.want) => {
                    self.held = Some(registration);
                    return;
                }
            };
            // It may have arrived, whatever became of the answer: only what the registry cannot hold is surely not there.
            if registered.as_ref().map_or_else(|error| error.code() != Code::InvalidArgument, |()| true) {
                self.held = Some(registration.clone());
            }
            self.presence.registered(&registered, begun.elapsed());
            let is_there = registered.is_ok();
            let wait = match &registered {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(
                            registry = registry.name(),
                            failures,
                            "the registry has the node again"
                        );
                    }
                    failures = 0;
                    // Nodes that started together do not come together for ever.
                    self.interval - self.interval.mul_f64(0.1 * fastrand::f64())
                }
                Err(error) => {
                    let wait = pause(failures).min(self.interval);
                    self.tell(error, failures, "cannot register; it is tried again until it works");
                    failures += 1;
                    wait
                }
            };
            if let Some(first) = self.first.take() {
                // Nobody listens where the start was given up.
                let _ = first.send(registered);
            }
            if !self.want.borrow().is(&registration) {
                return;
            }
            if self.eyes.is_none() && registry.forgets() {
                self.eyes = Some(Eyes::new(registry.clone(), &registration));
            }
            tokio::select! {
                () = changed(&mut self.want) => return,
                () = sleep(wait) => {}
                () = lost(self.eyes.as_mut()), if is_there => {
                    tracing::warn!(registry = registry.name(), "the registry has lost the node, which registers again");
                    self.presence.lost();
                }
            }
        }
    }

    /// Takes the node out, and waits until something else is wanted.
    async fn stay_out(&mut self) {
        self.eyes = None;
        let mut failures = 0;
        while let Some(held) = self.held.clone() {
            let begun = Instant::now();
            let registry = self.registry.clone();
            let left = tokio::select! {
                biased;
                left = answer(registry.name(), registry.deregister(&held)) => left,
                () = late(&mut self.want) => return,
            };
            self.presence.deregistered(&left, begun.elapsed());
            match left {
                Ok(()) => self.held = None,
                Err(error) => {
                    self.tell(
                        &error,
                        failures,
                        "cannot take the node out of the registry; it is tried again",
                    );
                    let wait = pause(failures);
                    failures += 1;
                    if matches!(*self.want.borrow(), Want::Absent) {
                        tokio::select! {
                            () = changed(&mut self.want) => return,
                            () = sleep(wait) => {}
                        }
                    }
                }
            }
            if !matches!(*self.want.borrow(), Want::Absent) {
                return;
            }
        }
        changed(&mut self.want).await;
    }

    /// Takes the node out for good.
    async fn take_out(&mut self) -> Result<()> {
        let Some(held) = self.held.take() else { return Ok(()) };
        let (begun, registry) = (Instant::now(), &self.registry);
        // Whoever waits for this has a limit of its own, and what takes longer goes on behind it.
        let was_there = self.presence.status().registered;
        let left = unless_it_panics(registry.name(), registry.deregister(&held)).await;
        self.presence.deregistered(&left, begun.elapsed());
        match left {
            Err(error) if !was_there => {
                // What was tried to be safe is no error of the stop.
                let registry = registry.name();
                tracing::warn!(registry, %error, "cannot take out what a failed registration may have left behind");
                Ok(())
            }
            left => left,
        }
    }

    /// Says it once, and not again at each attempt.
    fn tell(&self, error: &Error, failures: u32, what: &str) {
        let registry = self.registry.name();
        if failures == 0 {
            tracing::warn!(registry, %error, "{what}");
        } else {
            tracing::debug!(registry, %error, failures, "{what}");
        }
    }
}

/// Waits until something else is wanted.
async fn changed(want: &mut watch::Receiver<Want>) {
    if want.changed().await.is_err() {
        // Nothing else ever will be.
        std::future::pending::<()>().await;
    }
}

/// Waits until a request has had its time after something else was wanted.
async fn late(want: &mut watch::Receiver<Want>) {
    changed(want).await;
    sleep(RENEWAL_LIMIT).await;
}

/// What the registry answers, for which it has so much time.
async fn answer(registry: &str, asked: impl Future<Output = Result<()>>) -> Result<()> {
    timeout(ANSWER_LIMIT, unless_it_panics(registry, asked)).await.unwrap_or_else(|_| {
        Err(Error::deadline_exceeded(format!(
            "the registry `{registry}` did not answer within {}",
            humantime::format_duration(ANSWER_LIMIT)
        )))
    })
}

/// A driver that panics is one that failed.
async fn unless_it_panics(registry: &str, asked: impl Future<Output = Result<()>>) -> Result<()> {
    AssertUnwindSafe(asked)
        .catch_unwind()
        .await
        .unwrap_or_else(|_| Err(Error::internal(format!("the driver of the registry `{registry}` panicked"))))
}

/// Waits until the registry has lost the node, and for a moment after that. Where it cannot, that is never.
async fn lost(eyes: Option<&mut Eyes>) {
    match eyes {
        Some(eyes) => eyes.lost().await,
        None => return std::future::pending().await,
    }
    sleep(LOST_PAUSE.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
}

/// How long to wait after so many failures.
pub(super) fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::{Error, Result};
use crate::registry::{Registration, Registry};

/// How long leaving the registry may hold a stopping service up, before it stops without it.
pub(super) const LEAVE_LIMIT: Duration = Duration::from_secs(2);

/// How much of that a renewal under way may take.
const RENEWAL_LIMIT: Duration = Duration::from_secs(1);

/// Keeps a node in the registry.
///
/// One task does all that is said about the node, one thing after the other: a renewal cannot
/// come in after the node was taken out. It is there before the node is registered for the first
/// time, so that a start that is given up leaves nothing behind.
pub(super) struct Registrar {
    registry: &'static str,
    ttl: Duration,
    first: Option<oneshot::Receiver<Result<()>>>,
    task: JoinHandle<Result<()>>,
    /// Dropping it makes the task take the node out.
    present: DropGuard,
}

impl Registrar {
    /// Registers, and goes on registering every `interval`.
    pub(super) fn start(
        registry: Arc<dyn Registry>,
        registration: Registration,
        ttl: Duration,
        interval: Duration,
    ) -> Self {
        let leave = CancellationToken::new();
        let (told, first) = oneshot::channel();
        let name = registry.name();
        let task = tokio::spawn(keep(registry, registration, (ttl, interval), told, leave.clone()));
        Self { registry: name, ttl, first: Some(first), task, present: leave.drop_guard() }
    }

    /// Waits for the first registration.
    pub(super) async fn registered(&mut self) -> Result<()> {
        match self.first.take() {
            Some(first) => first.await.unwrap_or_else(|_| Err(self.failed())),
            None => Ok(()),
        }
    }

    /// Takes the node out of the registry, and waits for it up to [`LEAVE_LIMIT`]. What takes
    /// longer goes on in the background.
    pub(super) async fn stop(self) -> Result<()> {
        let Self { registry, ttl, mut task, present, .. } = self;
        drop(present);
        match timeout(LEAVE_LIMIT, &mut task).await {
            Ok(left) => left.unwrap_or_else(|_| Err(panicked(registry))),
            Err(_) => Err(Error::deadline_exceeded(format!(
                "the registry `{registry}` did not let the node go within {}: callers may be sent to it until it is \
                 forgotten, {} after its last registration",
                humantime::format_duration(LEAVE_LIMIT),
                humantime::format_duration(ttl)
            ))),
        }
    }

    fn failed(&self) -> Error {
        panicked(self.registry)
    }
}

#[cold]
fn panicked(registry: &str) -> Error {
    Error::internal(format!("the driver of the registry `{registry}` panicked"))
}

/// Registers until told to leave, and leaves.
async fn keep(
    registry: Arc<dyn Registry>,
    registration: Registration,
    (ttl, interval): (Duration, Duration),
    told: oneshot::Sender<Result<()>>,
    leave: CancellationToken,
) -> Result<()> {
    // What is on its way may arrive, and is then taken back; but it cannot keep the node for ever.
    let register = || async {
        tokio::select! {
            registered = registry.register(&registration, ttl) => registered,
            () = after(&leave, RENEWAL_LIMIT) => Ok(()),
        }
    };
    let first = register().await;
    let failed = first.is_err();
    // Nobody listens where the start was given up.
    let _ = told.send(first);
    if failed {
        return Ok(());
    }
    loop {
        // Nodes that started together do not come together for ever.
        let pause = interval - interval.mul_f64(0.1 * fastrand::f64());
        tokio::select! {
            () = leave.cancelled() => return registry.deregister(&registration).await,
            () = sleep(pause) => {}
        }
        if let Err(error) = register().await {
            tracing::warn!(registry = registry.name(), %error, "cannot renew the registration; it is tried again");
        }
    }
}

async fn after(token: &CancellationToken, time: Duration) {
    token.cancelled().await;
    sleep(time).await;
}

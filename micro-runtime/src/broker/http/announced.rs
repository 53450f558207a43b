use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::error::{Error, Result};
use crate::registry::{Registration, Registry};

/// For how long a subscription is announced, as in go-micro…
const TTL: Duration = Duration::from_secs(60);

/// …and when it is announced again, a tenth earlier or not. Whoever follows a registry that lost everything keeps nodes for 45 s.
const RENEWAL: Duration = Duration::from_secs(20);

/// How long the registry may take to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The pause after an announcement that failed: half of this to all of it, doubled each time…
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// …up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A subscription that is in the registry, until this is dropped.
#[derive(Debug)]
pub(super) struct Announced {
    /// Is dropped where it is to leave.
    stay: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Announced {
    /// Announces a subscription, and renews that.
    pub(super) async fn new(registry: Arc<dyn Registry>, registration: Registration) -> Result<Self> {
        let (stay, mut leave) = oneshot::channel();
        if let Err(error) = register(&*registry, &registration).await {
            // It may have arrived, and nobody would answer there.
            let _ = timeout(ANSWER_LIMIT, registry.deregister(&registration)).await;
            return Err(error.context(format!(
                "cannot say in the registry that there is a subscription: `{}`",
                registration.node.id
            )));
        }
        let task = tokio::spawn(async move {
            let mut failures = 0;
            loop {
                let pause = match failures {
                    0 => RENEWAL - RENEWAL.mul_f64(0.1 * fastrand::f64()),
                    failures => pause(failures),
                };
                tokio::select! {
                    _ = &mut leave => break,
                    () = sleep(pause) => {}
                }
                match register(&*registry, &registration).await {
                    Ok(()) => failures = 0,
                    Err(error) => {
                        failures += 1;
                        if failures == 1 {
                            let subscription = registration.node.id.as_str();
                            tracing::warn!(subscription, %error, "cannot renew a subscription; it is tried again until it works");
                        }
                    }
                }
            }
            let left = timeout(ANSWER_LIMIT, registry.deregister(&registration)).await;
            if let Err(error) = left.unwrap_or_else(|_| Err(late(&*registry))) {
                let subscription = registration.node.id.as_str();
                tracing::warn!(subscription, %error, "cannot take a subscription out of the registry, which forgets it by itself");
            }
        });
        Ok(Self { stay, task })
    }

    /// Takes it out of the registry.
    pub(super) async fn withdraw(self) {
        drop(self.stay);
        // It fails only where the runtime ends.
        let _ = self.task.await;
    }
}

async fn register(registry: &dyn Registry, registration: &Registration) -> Result<()> {
    timeout(ANSWER_LIMIT, registry.register(registration, TTL)).await.unwrap_or_else(|_| Err(late(registry)))
}

#[cold]
fn late(registry: &dyn Registry) -> Error {
    Error::unavailable(format!(
        "the registry `{}` did not answer within {}",
        registry.name(),
        humantime::format_duration(ANSWER_LIMIT)
    ))
}

/// How long to wait after so many failures.
fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

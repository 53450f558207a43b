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

/// How long the registry may take to announce it…
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// …and to forget it, which somebody may wait for who stops. What it does not forget runs out.
const LEAVE_LIMIT: Duration = Duration::from_secs(3);

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
            let _ = timeout(LEAVE_LIMIT, registry.deregister(&registration)).await;
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
                let renewed = tokio::select! {
                    _ = &mut leave => break,
                    renewed = register(&*registry, &registration) => renewed,
                };
                match renewed {
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
            let left = timeout(LEAVE_LIMIT, registry.deregister(&registration)).await;
            if let Err(error) = left.unwrap_or_else(|_| Err(late(&*registry, LEAVE_LIMIT))) {
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
    timeout(ANSWER_LIMIT, registry.register(registration, TTL))
        .await
        .unwrap_or_else(|_| Err(late(registry, ANSWER_LIMIT)))
}

#[cold]
fn late(registry: &dyn Registry, limit: Duration) -> Error {
    Error::unavailable(format!(
        "the registry `{}` did not answer within {}",
        registry.name(),
        humantime::format_duration(limit)
    ))
}

/// How long to wait after so many failures.
fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;

    use super::*;
    use crate::registry::{Memory, Node, ServiceRecord, Watch};

    /// A registry in memory that fails the second and the third time that something registers.
    #[derive(Debug, Default)]
    struct Failing {
        memory: Memory,
        calls: AtomicUsize,
    }

    #[async_trait]
    impl Registry for Failing {
        fn name(&self) -> &'static str {
            "failing"
        }

        async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
            match self.calls.fetch_add(1, Ordering::SeqCst) {
                1 | 2 => Err(Error::unavailable("away")),
                _ => self.memory.register(registration, ttl).await,
            }
        }

        async fn deregister(&self, registration: &Registration) -> Result<()> {
            self.memory.deregister(registration).await
        }

        async fn watch(&self, service: &str) -> Result<Watch> {
            self.memory.watch(service).await
        }

        async fn services(&self) -> Result<Vec<ServiceRecord>> {
            self.memory.services().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_renewed_for_as_long_as_it_is_held_and_leaves_at_once() -> Result<()> {
        let registry = Arc::new(Failing::default());
        let registration = Registration::new("a", Node::new("a-1", "127.0.0.1:1"));
        let announced = Announced::new(registry.clone(), registration).await?;
        for _ in 0..10 {
            sleep(TTL / 2).await;
            assert_eq!(registry.services().await?.len(), 1);
        }
        let calls = registry.calls.load(Ordering::SeqCst);
        assert!((15..25).contains(&calls), "{calls}");
        announced.withdraw().await;
        assert!(registry.services().await?.is_empty());
        Ok(())
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_announced_is_an_error_and_leaves_nothing_behind() -> Result<()> {
        let registry = Arc::new(Failing::default());
        registry.calls.store(1, Ordering::SeqCst);
        let registration = Registration::new("a", Node::new("a-1", "127.0.0.1:1"));
        let error = Announced::new(registry.clone(), registration).await.expect_err("away");
        assert!(error.message().contains("`a-1`: away") || error.message().ends_with("away"), "{error}");
        assert!(registry.services().await?.is_empty());
        Ok(())
    }
}

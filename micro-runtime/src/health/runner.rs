use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use super::{Check, Health};
use crate::error::{Error, Result, panic_text};

/// Runs a check again and again, and notes its results.
pub(super) async fn follow(health: Health, name: String, check: Check) {
    let mut runner = Runner { check, stuck: None };
    loop {
        let begun = Instant::now();
        let outcome = runner.once().await;
        health.note(&name, outcome, begun.elapsed());
        // Nodes that started together do not ask together for ever.
        sleep(runner.check.interval.mul_f64(0.9 + 0.2 * fastrand::f64())).await;
    }
}

struct Runner {
    check: Check,
    /// A run whose time was over, and which may still hold its thread.
    stuck: Option<AbortOnDropHandle<Result<()>>>,
}

impl Runner {
    /// One run, in a task of its own: what blocks or panics there is no matter of others.
    async fn once(&mut self) -> Result<()> {
        let limit = self.check.timeout;
        if let Some(stuck) = &mut self.stuck {
            if timeout(limit, stuck).await.is_err() {
                return Err(Error::deadline_exceeded(
                    "a former run was dropped and goes on all the same: does it block its thread?",
                ));
            }
            self.stuck = None;
        }
        let run = self.check.run.clone();
        let task: JoinHandle<_> = tokio::spawn(async move { run().await });
        let mut task = AbortOnDropHandle::new(task);
        match timeout(limit, &mut task).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(ended)) => Err(match ended.try_into_panic() {
                Ok(panic) => Error::internal(format!("it panicked: {}", panic_text(&*panic))),
                Err(_) => Error::canceled("its runtime stops"),
            }),
            Err(_) => {
                task.abort();
                self.stuck = Some(task);
                Err(late(limit))
            }
        }
    }
}

#[cold]
fn late(limit: Duration) -> Error {
    Error::deadline_exceeded(format!("it was not done within {}", humantime::format_duration(limit)))
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn runner<F, Fut>(run: F) -> Runner
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        Runner { check: Check::new(run), stuck: None }
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_hangs_is_a_failure_and_is_dropped() {
        let (begun, ended) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        struct OnDrop(Arc<AtomicUsize>);
        impl Drop for OnDrop {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::SeqCst);
            }
        }
        let counts = (begun.clone(), ended.clone());
        let mut runner = runner(move || {
            counts.0.fetch_add(1, Ordering::SeqCst);
            let guard = OnDrop(counts.1.clone());
            async move {
                let _guard = guard;
                pending().await
            }
        });
        for runs in 1..4 {
            let error = runner.once().await.unwrap_err();
            assert_eq!(error.message(), "it was not done within 2s");
            assert_eq!(begun.load(Ordering::SeqCst), runs);
        }
        assert!(ended.load(Ordering::SeqCst) >= 2, "at most one is left");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_run_that_blocks_its_thread_is_not_joined_by_another_one() {
        let begun = Arc::new(AtomicUsize::new(0));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (count, released) = (begun.clone(), std::sync::Mutex::new(released));
        let mut runner = runner(move || {
            if count.fetch_add(1, Ordering::SeqCst) == 0 {
                let _ = released.lock().unwrap().recv();
            }
            async { Ok(()) }
        });
        runner.check = runner.check.timeout(Duration::from_millis(10));
        assert_eq!(runner.once().await.unwrap_err().message(), "it was not done within 10ms");
        assert!(runner.once().await.unwrap_err().message().contains("block its thread"));
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        drop(release);
        while runner.once().await.is_err() {}
        assert!(begun.load(Ordering::SeqCst) >= 2);
    }

    #[tokio::test]
    async fn a_run_that_panics_is_a_failure_with_its_text() {
        let mut runner = runner(|| async { panic!("a bug in a check") });
        let error = runner.once().await.unwrap_err();
        assert_eq!(error.message(), "it panicked: a bug in a check");
        assert!(runner.stuck.is_none());
    }
}

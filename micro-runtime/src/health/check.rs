use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

use crate::error::Result;

/// How often a check runs.
pub const DEFAULT_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// How long a check may take.
pub const DEFAULT_CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// How many times in a row a check fails before what it looks at counts as unhealthy.
pub const DEFAULT_CHECK_FAILURES: u32 = 3;

/// How many times in a row a check succeeds before what it looks at counts as healthy again.
pub const DEFAULT_CHECK_SUCCESSES: u32 = 2;

/// The shortest interval and timeout.
const SHORTEST: Duration = Duration::from_millis(10);

type Run = Arc<dyn Fn() -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// A look at something that a service depends on, for [`Service::check`](crate::Service::check).
///
/// An async function is a check with all defaults; this is one with options. The defaults are those of
/// the probes of Kubernetes, with one more success before it is trusted again: a dependency that comes and goes
/// should not take its service with it each time.
///
/// ```
/// # use std::time::Duration;
/// # use micro_runtime::{Error, Service, health::Check};
/// # #[derive(Clone)] struct Pool;
/// # impl Pool { async fn ping(&self) -> micro_runtime::Result<()> { Ok(()) } }
/// # let pool = Pool;
/// let check = Check::new(move || {
///     let pool = pool.clone();
///     async move { pool.ping().await }
/// });
/// let service = Service::new("greeter").check("database", check.interval(Duration::from_secs(5)));
/// ```
#[derive(Clone)]
pub struct Check {
    pub(super) run: Run,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
    pub(super) failures: u32,
    pub(super) successes: u32,
    pub(super) gates: bool,
}

impl Check {
    /// A check that runs this. It fails where this returns an error, panics, or takes too long.
    pub fn new<F, Fut>(run: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<()>> + Send + 'static,
    {
        Self {
            run: Arc::new(move || run().boxed()),
            interval: DEFAULT_CHECK_INTERVAL,
            timeout: DEFAULT_CHECK_TIMEOUT,
            failures: DEFAULT_CHECK_FAILURES,
            successes: DEFAULT_CHECK_SUCCESSES,
            gates: true,
        }
    }

    /// The time between two runs, from the end of one to the begin of the next; 10 s unless set, 10 ms at least.
    /// A tenth more or less is left to chance, so that the nodes of a fleet do not ask all at once.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SHORTEST);
        self
    }

    /// How long one run may take; 2 s unless set, 10 ms at least. One that takes longer has failed, and is
    /// dropped; one that cannot be dropped because it blocks its thread is not started a second time beside it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.max(SHORTEST);
        self
    }

    /// How many failures in a row make it unhealthy; 3 unless set, and 1 at least. When the service starts, the
    /// first run alone decides.
    #[must_use]
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// How many successes in a row make it healthy again; 2 unless set, and 1 at least.
    #[must_use]
    pub fn successes(mut self, successes: u32) -> Self {
        self.successes = successes.max(1);
        self
    }

    /// Nothing follows from this check: it is in the report, and callers can ask for it, but the service stays in
    /// the registry whatever it says. For what the service can do without.
    #[must_use]
    pub fn reported_only(mut self) -> Self {
        self.gates = false;
        self
    }
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check")
            .field("interval", &self.interval)
            .field("timeout", &self.timeout)
            .field("failures", &self.failures)
            .field("successes", &self.successes)
            .field("gates", &self.gates)
            .finish_non_exhaustive()
    }
}

/// What [`Service::check`](crate::Service::check) takes: a [`Check`], or an async function that is one with all
/// defaults.
pub trait IntoCheck {
    /// The check.
    fn into_check(self) -> Check;
}

impl IntoCheck for Check {
    fn into_check(self) -> Check {
        self
    }
}

impl<F, Fut> IntoCheck for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<()>> + Send + 'static,
{
    fn into_check(self) -> Check {
        Check::new(self)
    }
}

//! The task that keeps one view up to date.

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::{BoxFuture, OptionFuture};
use futures_util::{FutureExt as _, StreamExt as _};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::discovery::{DiscoveryOptions, IDLE, Inner};
use super::doubt::Doubt;
use super::view::State;
use super::{Change, Registration, Registry, Watch};
use crate::error::{Error, Result};

/// The pause before a watch is begun again: half of this to all of it, doubled each time…
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// …up to this. A watch that lasted as long was a good one, and what follows begins with the first pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long a new watch may take to answer that is to take the place of one that works.
const RESYNC_LIMIT: Duration = Duration::from_secs(30);

/// What it takes to follow one service.
pub(super) struct Follower {
    pub(super) service: String,
    pub(super) registry: Arc<dyn Registry>,
    pub(super) options: DiscoveryOptions,
    pub(super) state: Arc<State>,
    pub(super) home: Weak<Inner>,
}

/// A watch that has answered, and its answer.
type Answered = Result<(Watch, Vec<Arc<Registration>>)>;

impl Follower {
    pub(super) async fn follow(self) {
        let watching = async {
            let mut failures = 0;
            let mut doubt = Doubt::new(self.options.grace);
            loop {
                let begun = Instant::now();
                let error = self.watch(&mut doubt).await;
                failures = if begun.elapsed() >= LONGEST_PAUSE { 0 } else { failures + 1 };
                tracing::debug!(service = self.service, %error, "lost the watch on the registry");
                self.state.count_failure();
                self.state.failed(&error);
                doubt.suspend();
                sleep(pause(failures)).await;
            }
        };
        tokio::select! {
            () = watching => {}
            () = self.unused() => {}
        }
    }

    /// Follows the registry until it fails, and says why.
    async fn watch(&self, doubt: &mut Doubt) -> Error {
        let mut watch = match self.registry.watch(&self.service).await {
            Ok(watch) => watch,
            Err(error) => return error,
        };
        let mut first = true;
        let mut resync = self.next_resync();
        let mut fresh: Option<BoxFuture<'_, Answered>> = None;
        loop {
            let over = doubt.next();
            tokio::select! {
                change = watch.next() => match change {
                    Some(Ok(change)) => {
                        let is_answer = matches!(change, Change::Snapshot(_));
                        self.take(change, first, doubt);
                        first &= !is_answer;
                    }
                    Some(Err(error)) => return error,
                    None => return self.ended(),
                },
                Some(()) = OptionFuture::from(over.map(sleep_until)) => {
                    doubt.over().into_iter().for_each(|change| self.apply(change));
                }
                Some(()) = OptionFuture::from(resync.map(sleep_until)) => {
                    resync = None;
                    fresh = Some(self.begin_anew().boxed());
                }
                Some(answered) = OptionFuture::from(fresh.as_mut()) => {
                    fresh = None;
                    resync = self.next_resync();
                    match answered {
                        // Nothing is lost: what happened before its answer is in it.
                        Ok((anew, nodes)) => {
                            watch = anew;
                            first = false;
                            self.take(Change::Snapshot(nodes), true, doubt);
                        }
                        // The one there is is kept: it may work. It may as well be silent for ever, so its nodes are a
                        // former answer until it says something.
                        Err(error) => {
                            tracing::debug!(service = self.service, %error, "cannot read the registry again");
                            self.state.count_failure();
                            self.state.failed(&error);
                        }
                    }
                }
            }
        }
    }

    /// A new watch that has given its whole answer.
    async fn begin_anew(&self) -> Answered {
        let answered = async {
            let mut watch = self.registry.watch(&self.service).await?;
            while let Some(change) = watch.next().await {
                if let Change::Snapshot(nodes) = change? {
                    return Ok((watch, nodes));
                }
            }
            Err(self.ended())
        };
        timeout(RESYNC_LIMIT, answered).await.unwrap_or_else(|_| {
            let limit = humantime::format_duration(RESYNC_LIMIT);
            Err(Error::unavailable(format!("no answer of `{}` within {limit}", self.registry.name())))
        })
    }

    fn ended(&self) -> Error {
        let name = self.registry.name();
        Error::unavailable(format!("the registry `{name}` ended the watch on `{}`", self.service))
    }

    fn take(&self, change: Change, first: bool, doubt: &mut Doubt) {
        for change in doubt.weigh(change, &self.state.nodes(), first) {
            self.apply(change);
        }
    }

    fn apply(&self, change: Change) {
        let left = self.state.apply(change);
        if !left.is_empty()
            && let Some(home) = self.home.upgrade()
        {
            home.left(left);
        }
    }

    fn next_resync(&self) -> Option<Instant> {
        let every = self.options.resync;
        let next = every.mul_f64(0.8 + 0.4 * fastrand::f64());
        (!every.is_zero()).then(|| Instant::now().checked_add(next)).flatten()
    }

    /// Returns when nobody holds the view.
    async fn unused(&self) {
        let mut next = Instant::now();
        loop {
            next += IDLE;
            sleep_until(next).await;
            if self.home.upgrade().is_none_or(|home| home.is_unused(&self.service)) {
                return;
            }
        }
    }
}

/// However the task ends, what it wrote is a former answer from then on.
impl Drop for Follower {
    fn drop(&mut self) {
        self.state.failed(&Error::unavailable(format!("`{}` is no longer looked for", self.service)));
    }
}

fn pause(failures: u32) -> Duration {
    let most = FIRST_PAUSE.saturating_mul(1 << failures.min(10)).min(LONGEST_PAUSE);
    // Clients that lost a registry together do not come back together.
    most.mul_f64(0.5 + fastrand::f64() / 2.0)
}

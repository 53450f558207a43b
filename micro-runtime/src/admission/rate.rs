use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::caller;
use super::keys::Keys;
use crate::context::Context;

/// So many callers are told apart unless set.
const MAX_KEYS: usize = 64 * 1024;

/// How often it is looked which callers can be forgotten, where there are too many to remember.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

type Key = Arc<dyn Fn(&Context) -> Option<String> + Send + Sync>;

/// How often one caller may call.
///
/// It is the generic cell rate algorithm (GCRA, ITU-T I.371): a caller may do its whole burst at once and then
/// goes on at the rate, and all that is kept of it is one time. A call that comes too early is refused with
/// `resource_exhausted`, and [`Error::retry_after`](crate::Error::retry_after) is exactly when the next one
/// is due. It does not count.
///
/// A caller is an address without its port, unless [`key`](Self::key) says otherwise. Calls from inside the
/// process are not limited then.
///
/// Each node counts for itself: with three nodes and a balancer, a caller gets up to three times the rate.
#[derive(Clone)]
pub struct RateLimit {
    calls: u32,
    per: Duration,
    burst: u32,
    max_keys: usize,
    key: Option<Key>,
}

impl RateLimit {
    /// So many calls in a second for each caller, and as many at once; at least one.
    pub fn per_second(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(1))
    }

    /// So many calls in a minute for each caller, and as many at once; at least one.
    pub fn per_minute(calls: u32) -> Self {
        Self::new(calls, Duration::from_secs(60))
    }

    /// So many calls in any other time for each caller, and as many at once; at least one call, and a time of
    /// at least a millisecond and a day at the most.
    pub fn new(calls: u32, per: Duration) -> Self {
        let per = per.clamp(Duration::from_millis(1), Duration::from_secs(24 * 60 * 60));
        Self { calls: calls.max(1), per, burst: calls.max(1), max_keys: MAX_KEYS, key: None }
    }

    /// How many calls a caller may make at once that has made none for a while; as many as in the time of the
    /// rate unless set, and at least one.
    #[must_use]
    pub fn burst(mut self, calls: u32) -> Self {
        self.burst = calls.max(1);
        self
    }

    /// Tells callers apart in another way: by a tenant in the metadata, or by the address that a proxy puts
    /// there. `None` is not limited.
    ///
    /// Interceptors have not run yet, and nothing in the metadata has been checked: whoever can make up a
    /// key of its own for each call is not limited by this.
    ///
    /// ```
    /// # use micro_runtime::admission::RateLimit;
    /// let limit = RateLimit::per_second(20).key(|ctx| ctx.metadata().get("tenant").map(str::to_owned));
    /// ```
    #[must_use]
    pub fn key(mut self, key: impl Fn(&Context) -> Option<String> + Send + Sync + 'static) -> Self {
        self.key = Some(Arc::new(key));
        self
    }

    /// How many callers are told apart at a time; 65536 unless set, which are a few megabytes. Who has not called
    /// for a while is forgotten. Where there are more, those that came last share one rate.
    #[must_use]
    pub fn max_keys(mut self, keys: usize) -> Self {
        self.max_keys = keys.max(1);
        self
    }
}

impl fmt::Debug for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RateLimit")
            .field("calls", &self.calls)
            .field("per", &self.per)
            .field("burst", &self.burst)
            .field("max_keys", &self.max_keys)
            .finish_non_exhaustive()
    }
}

/// Holds callers to their rate.
pub(super) struct Rates {
    limit: RateLimit,
    start: Instant,
    /// The time between two calls at the rate, in nanoseconds.
    interval: u64,
    /// How far a caller may be ahead of the rate.
    tolerance: u64,
    keys: Keys,
}

impl Rates {
    pub(super) fn new(limit: RateLimit) -> Self {
        let interval = (nanos(limit.per) / u64::from(limit.calls)).max(1);
        Self {
            start: Instant::now(),
            interval,
            tolerance: interval.saturating_mul(u64::from(limit.burst - 1)),
            keys: Keys::new(limit.max_keys),
            limit,
        }
    }

    /// Counts a call, or says after what time it may come again.
    pub(super) fn check(&self, context: &Context) -> Result<(), Duration> {
        let key = match &self.limit.key {
            Some(key) => key(context),
            None if context.is_in_process() => None,
            None => context.peer().map(caller::key),
        };
        key.map_or(Ok(()), |key| self.count(&key))
    }

    fn count(&self, key: &str) -> Result<(), Duration> {
        // From one interval on, so that a caller that is not known has the time 0.
        let now = nanos(self.start.elapsed()).saturating_add(self.interval);
        self.keys.update(key, now, nanos(SWEEP_EVERY), |due| {
            let due = due.max(now);
            match (due - now).checked_sub(self.tolerance) {
                Some(early) if early > 0 => Err(Duration::from_nanos(early)),
                _ => Ok(due.saturating_add(self.interval)),
            }
        })
    }
}

impl fmt::Debug for Rates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.limit.fmt(f)
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_burst_is_let_in_and_then_one_call_at_a_time() {
        let rates = Rates::new(RateLimit::per_second(10).burst(3));
        for _ in 0..3 {
            rates.count("a").unwrap();
        }
        assert_eq!(rates.count("a"), Err(Duration::from_millis(100)));
        rates.count("b").unwrap();
        advance(Duration::from_millis(99)).await;
        assert_eq!(rates.count("a"), Err(Duration::from_millis(1)));
        advance(Duration::from_millis(1)).await;
        rates.count("a").unwrap();
        assert!(rates.count("a").is_err());
        advance(Duration::from_secs(60)).await;
        assert_eq!((0..10).filter(|_| rates.count("a").is_ok()).count(), 3);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_callers_are_remembered_than_may_be_and_those_known_keep_their_rate() {
        let rates = Rates::new(RateLimit::per_second(1).burst(2).max_keys(64));
        rates.count("known").unwrap();
        for caller in 0..10_000 {
            let _ = rates.count(&format!("made-up-{caller}"));
        }
        assert!(rates.keys.len() <= 64);
        rates.count("known").unwrap();
        assert_eq!(rates.count("known"), Err(Duration::from_secs(1)));
        // All of them are forgotten when they are as good as new.
        advance(Duration::from_secs(10)).await;
        for caller in 0..64 {
            let _ = rates.count(&format!("another-{caller}"));
        }
        assert!(rates.keys.len() <= 64);
        assert!(rates.count("another-0").is_ok());
    }

    #[test]
    fn any_rate_is_one() {
        for calls in [0, 1, u32::MAX] {
            for per in [Duration::ZERO, Duration::MAX] {
                let _ = format!("{:?}", RateLimit::new(calls, per).burst(0).max_keys(0)).len();
            }
        }
    }

    proptest! {
        /// No window of any length has more calls than the burst and what the rate adds in that time, and who is
        /// refused and waits as long as it was told is let in.
        #[test]
        fn no_caller_gets_more_than_its_rate(
            rate in 1..50_u32,
            burst in 1..20_u32,
            steps in vec(0..200_u64, 1..120),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .unwrap();
            let admitted = runtime.block_on(async {
                let rates = Rates::new(RateLimit::per_second(rate).burst(burst));
                let (start, mut admitted) = (Instant::now(), Vec::new());
                for step in steps {
                    advance(Duration::from_millis(step)).await;
                    if let Err(early) = rates.count("a") {
                        // Timers go by milliseconds.
                        advance(early + Duration::from_millis(1)).await;
                        assert!(rates.count("a").is_ok());
                    }
                    admitted.push(start.elapsed().as_secs_f64());
                }
                admitted
            });
            for (first, from) in admitted.iter().enumerate() {
                for (last, until) in admitted.iter().enumerate().skip(first) {
                    let most = f64::from(burst) + (until - from) * f64::from(rate) + 0.001;
                    prop_assert!((last - first + 1) as f64 <= most);
                }
            }
        }
    }
}

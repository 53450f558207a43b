use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// Into how many parts the window is divided, each forgotten as a whole.
const BUCKETS: usize = 10;

/// While nothing fails one call in so many is counted, and counts for so many: all calls share the count.
const SAMPLE: u64 = 16;

/// Fewer calls than this in the window are counted one by one: a sample of few says little.
const EXACT: u64 = 200;

/// How often a call gets through at the least while others are refused.
const PROBE_EVERY: Duration = Duration::from_millis(100);

/// So many calls that got through and succeeded, one after the other, say that the service has recovered.
const RECOVERED: u32 = 10;

/// When a client refuses calls to a service by itself, because most of them would fail.
///
/// It is the adaptive throttling of the *Site Reliability Engineering* book (chapter 21, "Client-Side
/// Throttling"): of the calls of the last seconds, `requests` were made and `accepts` did not fail; a call is
/// refused with the probability `(requests - k · accepts) / (requests + 1)`. So nothing is refused while fewer than
/// `1 - 1/k` of the calls fail, and a service gets no more than about `k` times as many calls as it can answer.
/// There are no states to be tuned. Beyond the book, one call each 100 ms always gets through, and ten in
/// a row that succeed end it, so that a service which recovers is in full use again within a second or two.
///
/// A call has failed here where its node answered `unavailable`, broke the call off, asked to be left alone for
/// a while ([`Error::retry_after`](crate::Error::retry_after)), or did not answer in time, unless the call had less time
/// than the node usually takes. Calls that reached no node are not counted, and neither are the other codes: a bug in one method is no reason to
/// refuse another.
///
/// ```
/// # use std::time::Duration;
/// # use micro_runtime::client::{CircuitBreaker, Client};
/// let eager = CircuitBreaker::new().multiplier(1.5).window(Duration::from_secs(5));
/// let client = Client::builder().circuit_breaker(eager).build();
/// let without = Client::builder().circuit_breaker(None).build();
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CircuitBreaker {
    multiplier: f64,
    window: Duration,
    minimum: u64,
}

impl CircuitBreaker {
    /// One with the defaults: the multiplier 2, a window of 10 s, and 20 calls at the least.
    pub const fn new() -> Self {
        Self { multiplier: 2.0, window: Duration::from_secs(10), minimum: 20 }
    }

    /// How many times as many calls as it answers a service gets, before more are refused: `k`; 2 unless set, which
    /// means that half of the calls may fail. It is 1.1 at the least.
    #[must_use]
    pub fn multiplier(mut self, k: f64) -> Self {
        // What is no number becomes the smallest.
        self.multiplier = k.max(1.1);
        self
    }

    /// How far back calls count; 10 s unless set, from 1 s to 2 minutes.
    #[must_use]
    pub fn window(mut self, window: Duration) -> Self {
        self.window = window.clamp(Duration::from_secs(1), Duration::from_secs(120));
        self
    }

    /// Below so many calls in the window none is refused; 20 unless set.
    #[must_use]
    pub fn minimum(mut self, calls: u32) -> Self {
        self.minimum = calls.into();
        self
    }

    /// With which probability a call is refused.
    fn refuses(self, requests: u64, accepts: u64) -> f64 {
        if requests < self.minimum {
            return 0.0;
        }
        let surplus = requests as f64 - self.multiplier * accepts as f64;
        (surplus / (requests + 1) as f64).max(0.0)
    }
}

impl Default for CircuitBreaker {
    fn default() -> Self {
        Self::new()
    }
}

/// The breaker of one service.
#[derive(Debug)]
pub(super) struct Breaker {
    options: CircuitBreaker,
    epoch: Instant,
    /// Whether a call in the window failed. As long as none did, hardly anything is written.
    troubled: AtomicBool,
    /// Whether there are so many calls that some of them stand for all.
    many: AtomicBool,
    /// Whether calls are being refused.
    refusing: AtomicBool,
    /// How many calls in a row succeeded while others were refused.
    streak: AtomicU32,
    /// When a call last got through whatever the numbers, in milliseconds since the epoch.
    probed: AtomicU64,
    /// In a place of their own, away from what every call reads.
    buckets: Box<[Bucket; BUCKETS]>,
}

#[derive(Debug, Default)]
struct Bucket {
    /// Which part of time it counts.
    tick: AtomicU64,
    requests: AtomicU64,
    accepts: AtomicU64,
}

impl Breaker {
    pub(super) fn new(options: CircuitBreaker) -> Self {
        Self {
            options,
            epoch: Instant::now(),
            troubled: AtomicBool::new(false),
            many: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            streak: AtomicU32::new(0),
            probed: AtomicU64::new(0),
            buckets: Box::default(),
        }
    }

    /// Whether a call may be made. On the path of every call, and a single read while nothing fails.
    #[inline]
    pub(super) fn admits(&self) -> bool {
        !self.troubled.load(Ordering::Relaxed) || self.decides()
    }

    #[cold]
    fn decides(&self) -> bool {
        let now = self.now();
        let (requests, accepts) = self.window(now);
        if requests <= accepts {
            self.troubled.store(false, Ordering::Relaxed);
        }
        let share = self.options.refuses(requests, accepts);
        if share <= 0.0 {
            self.refusing.store(false, Ordering::Relaxed);
            return true;
        }
        if !self.refusing.swap(true, Ordering::Relaxed) {
            self.streak.store(0, Ordering::Relaxed);
        }
        if self.is_probe(now) || fastrand::f64() >= share {
            return true;
        }
        self.count(now, 1, 0);
        false
    }

    /// Whether none got through for a while, and it is this call that does.
    fn is_probe(&self, now: u64) -> bool {
        let last = self.probed.load(Ordering::Relaxed);
        now.saturating_sub(last) >= PROBE_EVERY.as_millis() as u64
            && self.probed.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Notes a call that did not fail.
    #[inline]
    pub(super) fn accepted(&self) {
        if self.troubled.load(Ordering::Relaxed) {
            self.accepted_in_trouble();
        } else if !self.many.load(Ordering::Relaxed) {
            self.accepted_one_of(1);
        } else if fastrand::u64(..).is_multiple_of(SAMPLE) {
            self.accepted_one_of(SAMPLE);
        }
    }

    #[cold]
    fn accepted_one_of(&self, calls: u64) {
        let now = self.now();
        self.count(now, calls, calls);
        self.many.store(self.window(now).0 >= EXACT, Ordering::Relaxed);
    }

    #[cold]
    fn accepted_in_trouble(&self) {
        self.count(self.now(), 1, 1);
        if self.refusing.load(Ordering::Relaxed)
            && self.streak.fetch_add(1, Ordering::Relaxed) + 1 >= RECOVERED
        {
            self.forget();
        }
    }

    /// Notes a call that failed.
    #[cold]
    pub(super) fn failed(&self) {
        let now = self.now();
        // About so many succeeded since the last one that was counted, and more may hide where there were few.
        if self.many.swap(false, Ordering::Relaxed) && self.window(now).0 < EXACT {
            self.count(now, SAMPLE, SAMPLE);
        }
        self.count(now, 1, 0);
        self.streak.store(0, Ordering::Relaxed);
        self.troubled.store(true, Ordering::Relaxed);
    }

    /// Begins anew.
    fn forget(&self) {
        for bucket in self.buckets.iter() {
            bucket.requests.store(0, Ordering::Relaxed);
            bucket.accepts.store(0, Ordering::Relaxed);
        }
        self.refusing.store(false, Ordering::Relaxed);
        self.many.store(false, Ordering::Relaxed);
        self.troubled.store(false, Ordering::Relaxed);
        self.streak.store(0, Ordering::Relaxed);
    }

    /// Milliseconds since the epoch.
    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The part of time that this is in, counted from 1: 0 is that of a bucket which was never used.
    fn tick(&self, now: u64) -> u64 {
        let length = (self.options.window.as_millis() as u64 / BUCKETS as u64).max(1);
        now / length + 1
    }

    fn count(&self, now: u64, requests: u64, accepts: u64) {
        let tick = self.tick(now);
        let bucket = &self.buckets[(tick % BUCKETS as u64) as usize];
        let before = bucket.tick.load(Ordering::Relaxed);
        // A few counts may get lost here, where two do it at once; the next ones make up for them.
        if before < tick
            && bucket.tick.compare_exchange(before, tick, Ordering::Relaxed, Ordering::Relaxed).is_ok()
        {
            bucket.requests.store(0, Ordering::Relaxed);
            bucket.accepts.store(0, Ordering::Relaxed);
        }
        bucket.requests.fetch_add(requests, Ordering::Relaxed);
        if accepts > 0 {
            bucket.accepts.fetch_add(accepts, Ordering::Relaxed);
        }
    }

    /// The calls in the window, and those of them that did not fail.
    fn window(&self, now: u64) -> (u64, u64) {
        let tick = self.tick(now);
        let counted = self.buckets.iter().filter(|bucket| {
            let of = bucket.tick.load(Ordering::Relaxed);
            of > 0 && of + BUCKETS as u64 > tick
        });
        counted.fold((0, 0), |(requests, accepts), bucket| {
            let more = |count: &AtomicU64| count.load(Ordering::Relaxed);
            (requests + more(&bucket.requests), accepts + more(&bucket.accepts))
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokio::time::advance;

    use super::*;

    /// Makes calls, a millisecond apart, to a service in which so many of a hundred fail. Says how many were let
    /// through.
    async fn calls(breaker: &Breaker, count: u32, failing: u32) -> u32 {
        let mut sent = 0;
        for _ in 0..count {
            advance(Duration::from_millis(1)).await;
            if breaker.admits() {
                sent += 1;
                if fastrand::u32(0..100) < failing { breaker.failed() } else { breaker.accepted() }
            }
        }
        sent
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_refused_while_fewer_than_half_of_the_calls_fail() {
        let breaker = Breaker::new(CircuitBreaker::new());
        assert_eq!(calls(&breaker, 20_000, 0).await, 20_000);
        assert_eq!(calls(&breaker, 20_000, 25).await, 20_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_failures_among_many_calls_is_no_reason() {
        let breaker = Breaker::new(CircuitBreaker::new());
        calls(&breaker, 5_000, 0).await;
        assert_eq!(calls(&breaker, 200, 100).await, 200);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_is_down_gets_few_calls_and_all_of_them_soon_after_it_is_back() {
        let breaker = Breaker::new(CircuitBreaker::new());
        calls(&breaker, 2_000, 0).await;
        calls(&breaker, 20_000, 100).await;
        let sent = calls(&breaker, 10_000, 100).await;
        assert!((90..200).contains(&sent), "{sent} of 10,000");
        calls(&breaker, 3_000, 0).await;
        assert_eq!(calls(&breaker, 1_000, 0).await, 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_answers_one_call_in_ten_gets_about_twice_what_it_answers() {
        let breaker = Breaker::new(CircuitBreaker::new());
        // It answers a hundred each second, of a thousand.
        let mut sent = 0;
        for round in 0..300 {
            let mut room = 10;
            for _ in 0..100 {
                advance(Duration::from_millis(1)).await;
                if breaker.admits() {
                    sent += u32::from(round >= 200);
                    if room > 0 {
                        room -= 1;
                        breaker.accepted();
                    } else {
                        breaker.failed();
                    }
                }
            }
        }
        assert!((1_300..5_000).contains(&sent), "{sent} of 10,000, where 1,000 are answered");
    }

    #[tokio::test(start_paused = true)]
    async fn few_calls_are_counted_one_by_one() {
        for _ in 0..200 {
            let breaker = Breaker::new(CircuitBreaker::new());
            assert_eq!(calls(&breaker, 40, 0).await, 40);
            assert_eq!(calls(&breaker, 20, 100).await, 20);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_calls_say_nothing() {
        let breaker = Breaker::new(CircuitBreaker::new());
        for _ in 0..19 {
            assert!(breaker.admits());
            breaker.failed();
        }
        let patient = Breaker::new(CircuitBreaker::new().minimum(1000));
        assert_eq!(calls(&patient, 999, 100).await, 999);
    }

    proptest! {
        #[test]
        fn the_share_that_is_refused_is_below_one_and_none_while_enough_is_accepted(
            requests in 0..1_000_000_u64, accepted in 0.0..=1.0_f64, k in 0.0..10.0_f64,
        ) {
            let options = CircuitBreaker::new().multiplier(k);
            let accepts = (requests as f64 * accepted) as u64;
            let share = options.refuses(requests, accepts);
            prop_assert!((0.0..1.0).contains(&share));
            if accepts as f64 * options.multiplier >= requests as f64 {
                prop_assert!(share == 0.0);
            }
        }
    }
}

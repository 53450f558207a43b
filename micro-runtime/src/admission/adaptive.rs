use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, TryLockError};
use std::time::Duration;

use tokio::time::Instant;

use super::estimate::{Estimate, Window};
use super::histogram::Histogram;
use super::limiter::rooms;
use crate::context::Priority;

/// A window is at least so long.
const WINDOW: Duration = Duration::from_millis(500);

/// And has at least so many calls, so that chance says little.
const SAMPLES: u64 = 100;

/// A limit is looked at after so long in any case, and not believed any more after twice that.
const LONGEST: Duration = Duration::from_secs(5);

/// The lowest limit unless set.
const FLOOR: usize = 16;

/// How many times as long as at best calls may take, unless set.
const TOLERANCE: f64 = 2.0;

/// No limit.
const NONE: usize = usize::MAX;

/// Sheds calls when they wait in line, without anybody having to know how many a service can take.
///
/// Each method is watched by itself: how long its calls take, how long they took at best in the last minute, how
/// many are answered in a second, and how many run. When calls take over twice as long as at best for a
/// second, and at least four times as many run as are worked off in the best time, the method gets a limit of
/// how many run at a time: as many as are worked off in twice the best time, by Little's law. Then those that
/// are let in are fast again, and the rest is refused at once, the lowest [`Priority`] first. The limit follows
/// what the method can do, and is lifted after some seconds in which half of it was enough.
///
/// It never sheds where fewer than 32 calls of a method run. It does not take for overload what is none:
///
/// - A method that always takes long is not slow. A mix of short and long calls is not either: mean and median
///   must both have risen, as they do when all calls wait.
/// - A burst that is being worked off is let in.
/// - A method that has become slower for good, because what it calls has, sheds for a few seconds at the most: when
///   fewer calls at a time are not faster, they did not wait for each other, and the limit is lifted.
///
/// Streams are not watched, since they take as long as they like. Calls that never end are not seen, and neither is
/// that a service was called too much from its first seconds on, when nothing is known of its best: for them
/// there is [`max_calls`](super::Protection::max_calls).
///
/// The method is that of BBR congestion control, as `kratos` and `go-zero` have it for calls: what is in flight is
/// held to the throughput times the shortest time. Where they ask the load of the processor whether that is to
/// be done, this asks the times themselves, as Envoy's and Netflix's gradients do, so that a service which waits for its
/// database is protected as well.
#[derive(Clone, Debug)]
pub struct Adaptive {
    tolerance: f64,
    floor: usize,
}

impl Adaptive {
    /// The defaults.
    pub fn new() -> Self {
        Self { tolerance: TOLERANCE, floor: FLOOR }
    }

    /// How many times as long as at best calls may take, once calls are shed; 2 unless set, 1.2 at the least and
    /// 100 at the most. Higher values shed later.
    #[must_use]
    pub fn tolerance(mut self, times: f64) -> Self {
        self.tolerance = if times.is_nan() { TOLERANCE } else { times.clamp(1.2, 100.0) };
        self
    }

    /// The lowest limit that a method can get; 16 calls at a time unless set, and at least one. Nothing is shed
    /// where fewer than twice as many run. A method that serves very few at a time, like one that waits for
    /// a single worker, needs a lower one: 16 calls are a long line there.
    #[must_use]
    pub fn min_calls(mut self, calls: usize) -> Self {
        self.floor = calls.clamp(1, NONE / 4);
        self
    }
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new()
    }
}

/// Watches one method.
#[derive(Debug)]
pub(super) struct Shedder {
    start: Instant,
    percent: [u8; 4],
    /// [`NONE`] where there is none.
    limit: AtomicUsize,
    in_flight: AtomicUsize,
    /// How many there were when this window began.
    in_flight_then: AtomicUsize,
    /// The most in this window.
    peak: AtomicUsize,
    /// How many were answered in this window.
    done: AtomicU64,
    took: Histogram,
    /// In microseconds. What was given up before that may have been fast.
    best: AtomicU64,
    /// When the window began, in microseconds.
    began: AtomicU64,
    estimate: Mutex<Estimate>,
}

/// A call that is watched, until it is dropped.
#[derive(Debug)]
pub(super) struct Watched {
    shedder: Arc<Shedder>,
    since: Instant,
    ended: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum How {
    Well,
    Failed,
    GivenUp,
}

impl Shedder {
    pub(super) fn new(adaptive: &Adaptive, percent: [u8; 4]) -> Self {
        Self {
            start: Instant::now(),
            percent,
            limit: AtomicUsize::new(NONE),
            in_flight: AtomicUsize::new(0),
            in_flight_then: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            took: Histogram::new(),
            best: AtomicU64::new(u64::MAX),
            began: AtomicU64::new(0),
            estimate: Mutex::new(Estimate::new(adaptive.tolerance, adaptive.floor)),
        }
    }

    /// Lets a call in, or says how many may be in.
    pub(super) fn enter(self: &Arc<Self>, priority: Priority) -> Result<Watched, usize> {
        let before = self.in_flight.fetch_add(1, Ordering::Relaxed);
        let limit = self.limit.load(Ordering::Relaxed);
        if limit != NONE && before >= rooms(limit, self.percent)[priority as usize] && !self.forgets() {
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
            return Err(limit);
        }
        if before >= self.peak.load(Ordering::Relaxed) {
            self.peak.fetch_max(before + 1, Ordering::Relaxed);
        }
        Ok(Watched { shedder: self.clone(), since: Instant::now(), ended: How::GivenUp })
    }

    /// The limit that holds now.
    #[cfg(test)]
    pub(super) fn limit(&self) -> Option<usize> {
        Some(self.limit.load(Ordering::Relaxed)).filter(|limit| *limit != NONE)
    }

    /// Forgets a limit that nothing was heard of for long, and says whether it did.
    fn forgets(&self) -> bool {
        let began = Duration::from_micros(self.began.load(Ordering::Relaxed));
        let at = self.start.elapsed();
        if at.saturating_sub(began) < 2 * LONGEST {
            return false;
        }
        let Ok(mut estimate) = self.estimate.try_lock() else { return false };
        estimate.forget();
        self.limit.store(NONE, Ordering::Relaxed);
        true
    }

    fn note(&self, now: Instant, took: Duration, ended: How) {
        if ended != How::GivenUp {
            self.done.fetch_add(1, Ordering::Relaxed);
        }
        // An error may come at once, and who gives up may not wait: that they took long says something, and that
        // they did not says nothing.
        if ended == How::Well || micros(took) >= self.best.load(Ordering::Relaxed) {
            self.took.note(took);
        }
        let began = Duration::from_micros(self.began.load(Ordering::Relaxed));
        let at = now.saturating_duration_since(self.start);
        if at.saturating_sub(began) >= WINDOW {
            self.close(at);
        }
    }

    /// Ends the window, unless it has too few calls or another thread is about it.
    fn close(&self, at: Duration) {
        let mut estimate = match self.estimate.try_lock() {
            Ok(estimate) => estimate,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let length = at.saturating_sub(Duration::from_micros(self.began.load(Ordering::Relaxed)));
        let is_due = self.took.count() >= SAMPLES || (estimate.holds() && length >= LONGEST);
        if length < WINDOW || !is_due {
            return;
        }
        let end = self.in_flight.load(Ordering::Relaxed);
        let window = Window {
            length,
            done: self.done.swap(0, Ordering::Relaxed),
            took: self.took.take(),
            start: self.in_flight_then.swap(end, Ordering::Relaxed),
            peak: self.peak.swap(end, Ordering::Relaxed),
            end,
        };
        self.began.store(micros(at), Ordering::Relaxed);
        let limit = estimate.close(&window);
        self.limit.store(limit.unwrap_or(NONE), Ordering::Relaxed);
        let best = estimate.best().and_then(|best| Duration::try_from_secs_f64(best).ok());
        self.best.store(best.map_or(u64::MAX, micros), Ordering::Relaxed);
    }
}

impl Watched {
    /// Notes that the handler has answered.
    pub(super) fn answered(&mut self, well: bool) {
        self.ended = if well { How::Well } else { How::Failed };
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let now = Instant::now();
        self.shedder.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.shedder.note(now, now.saturating_duration_since(self.since), self.ended);
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use proptest::prelude::*;
    use tokio::sync::Semaphore;
    use tokio::task::JoinSet;
    use tokio::time::sleep;

    use super::*;

    const PERCENT: [u8; 4] = [80, 90, 95, 100];

    /// What is behind a method: so many calls are worked on at a time, each for so long.
    #[derive(Clone)]
    struct Work {
        workers: Arc<Semaphore>,
        takes: Arc<AtomicU64>,
        shedder: Arc<Shedder>,
    }

    #[derive(Debug, Default)]
    struct Seen {
        served: u64,
        shed: [u64; 4],
        slowest: Duration,
    }

    impl Seen {
        fn all_shed(&self) -> u64 {
            self.shed.iter().sum()
        }
    }

    impl Work {
        fn new(workers: usize, takes: Duration) -> Self {
            Self {
                workers: Arc::new(Semaphore::new(workers)),
                takes: Arc::new(AtomicU64::new(micros(takes))),
                shedder: Arc::new(Shedder::new(&Adaptive::new(), PERCENT)),
            }
        }

        /// So many calls in a second on the average, that come by chance.
        async fn by_chance(&self, per_second: f64, seconds: u64) -> Seen {
            let (mut calls, mut seen) = (JoinSet::new(), Seen::default());
            let mut random = fastrand::Rng::with_seed(7);
            let (mut next, start) = (Instant::now(), Instant::now());
            while next - start < Duration::from_secs(seconds) {
                tokio::time::sleep_until(next).await;
                next += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / per_second);
                let Ok(mut watched) = self.shedder.enter(Priority::Normal) else {
                    seen.shed[1] += 1;
                    continue;
                };
                let (work, since) = (self.clone(), Instant::now());
                let takes = Duration::from_micros(work.takes.load(Ordering::Relaxed));
                let takes = takes.mul_f64(0.9 + 0.2 * random.f64());
                calls.spawn(async move {
                    let _worker = work.workers.acquire().await.unwrap();
                    sleep(takes).await;
                    watched.answered(true);
                    since.elapsed()
                });
                while let Some(done) = calls.try_join_next() {
                    seen.slowest = seen.slowest.max(done.unwrap());
                    seen.served += 1;
                }
            }
            seen.served += calls.len() as u64;
            while calls.join_next().await.is_some() {}
            seen
        }

        /// So many calls in a second, for so many seconds, evenly by priority; each takes up to `swing` times as
        /// long as the others.
        async fn load(&self, per_second: u64, seconds: u64, swing: u64) -> Seen {
            let (mut calls, mut seen) = (JoinSet::new(), Seen::default());
            for number in 0..per_second * seconds {
                sleep(Duration::from_micros(1_000_000 / per_second)).await;
                let priority = Priority::ALL[(number % 4) as usize];
                match self.shedder.enter(priority) {
                    Err(_) => seen.shed[priority as usize] += 1,
                    Ok(mut watched) => {
                        let (work, start) = (self.clone(), Instant::now());
                        let takes = work.takes.load(Ordering::Relaxed) * (1 + number % swing);
                        calls.spawn(async move {
                            let _worker = work.workers.acquire().await.unwrap();
                            sleep(Duration::from_micros(takes)).await;
                            watched.answered(true);
                            start.elapsed()
                        });
                    }
                }
                while let Some(done) = calls.try_join_next() {
                    seen.slowest = seen.slowest.max(done.unwrap());
                    seen.served += 1;
                }
            }
            while calls.join_next().await.is_some() {}
            seen
        }
    }

    fn simulate<T>(work: impl Future<Output = T>) -> T {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_time().start_paused(true).build().unwrap().block_on(work)
    }

    #[test]
    fn with_twice_as_many_calls_as_can_be_served_those_let_in_are_fast_and_the_lowest_are_shed_first() {
        simulate(async {
            // 400 in a second.
            let work = Work::new(8, Duration::from_millis(20));
            assert_eq!(work.load(200, 20, 1).await.all_shed(), 0);
            work.load(800, 10, 1).await;
            let seen = work.load(800, 20, 1).await;
            assert!(seen.slowest < Duration::from_millis(150), "{seen:?}");
            assert!(seen.served > 7_000, "{seen:?}");
            assert!(seen.shed[0] >= seen.shed[1] && seen.shed[1] >= seen.shed[3], "{seen:?}");
            assert!(seen.shed[0] > 2 * seen.shed[3], "{seen:?}");
        });
    }

    #[test]
    fn once_the_load_is_gone_nothing_is_shed_any_more() {
        simulate(async {
            let work = Work::new(8, Duration::from_millis(20));
            work.load(200, 20, 1).await;
            assert!(work.load(800, 10, 1).await.all_shed() > 0);
            work.load(200, 20, 1).await;
            assert_eq!(work.shedder.limit(), None);
            assert_eq!(work.load(300, 20, 1).await.all_shed(), 0);
        });
    }

    #[test]
    fn a_limit_does_not_outlive_a_silence() {
        simulate(async {
            let work = Work::new(8, Duration::from_millis(20));
            work.load(200, 20, 1).await;
            assert!(work.load(800, 10, 1).await.all_shed() > 0);
            sleep(Duration::from_secs(60)).await;
            let burst: Vec<_> = (0..1000).map(|_| work.shedder.enter(Priority::Low)).collect();
            assert!(burst.iter().all(Result::is_ok));
        });
    }

    #[test]
    fn bursts_that_are_worked_off_are_let_in() {
        simulate(async {
            let work = Work::new(50, Duration::from_millis(20));
            work.load(500, 20, 1).await;
            for _ in 0..20 {
                let calls: Vec<_> = (0..1000).map(|_| work.shedder.enter(Priority::Low).unwrap()).collect();
                let mut running = JoinSet::new();
                for mut watched in calls {
                    let workers = work.workers.clone();
                    running.spawn(async move {
                        let _worker = workers.acquire().await.unwrap();
                        sleep(Duration::from_millis(20)).await;
                        watched.answered(true);
                    });
                }
                while running.join_next().await.is_some() {}
                assert_eq!(work.load(500, 5, 1).await.all_shed(), 0);
            }
        });
    }

    #[test]
    fn a_method_that_became_slower_for_good_sheds_for_seconds_at_the_most() {
        simulate(async {
            let work = Work::new(Semaphore::MAX_PERMITS, Duration::from_millis(20));
            work.load(500, 20, 1).await;
            work.takes.store(500_000, Ordering::Relaxed);
            work.load(500, 10, 1).await;
            assert_eq!(work.load(500, 30, 1).await.all_shed(), 0);
        });
    }

    #[test]
    fn a_method_that_became_a_few_times_slower_for_good_is_not_shed_for_ever() {
        for (per_second, millis) in
            [(300.0, 50), (300.0, 65), (300.0, 75), (1000.0, 65), (1000.0, 75), (1000.0, 100)]
        {
            simulate(async {
                let work = Work::new(Semaphore::MAX_PERMITS, Duration::from_millis(20));
                work.by_chance(per_second, 20).await;
                work.takes.store(millis * 1000, Ordering::Relaxed);
                work.by_chance(per_second, 20).await;
                let seen = work.by_chance(per_second, 20).await;
                assert!(seen.all_shed() * 20 < seen.served, "{per_second} at {millis} ms: {seen:?}");
            });
        }
    }

    #[test]
    fn with_more_than_can_be_served_the_limit_holds_however_few_are_served_at_a_time() {
        for workers in [1, 2, 4, 8, 30] {
            simulate(async {
                let work = Work::new(workers, Duration::from_millis(20));
                let most = 50.0 * workers as f64;
                work.by_chance(most / 2.0, 40).await;
                for _ in 0..3 {
                    work.by_chance(2.0 * most, 20).await;
                }
                let seen = work.by_chance(2.0 * most, 20).await;
                // The lowest limit is 16, of which 15 are for these.
                let due = Duration::from_millis(45).max(Duration::from_millis(22 * 16) / workers as u32);
                assert!(seen.slowest <= due + Duration::from_millis(25), "{workers}: {seen:?}");
                assert!(seen.served as f64 >= 0.9 * 20.0 * most, "{workers}: {seen:?}");
            });
        }
    }

    #[test]
    fn who_gives_up_at_once_does_not_make_the_others_look_slow() {
        simulate(async {
            let work = Work::new(Semaphore::MAX_PERMITS, Duration::from_millis(100));
            let over = Arc::new(AtomicBool::new(false));
            let giving_up = {
                let (shedder, over) = (work.shedder.clone(), over.clone());
                tokio::spawn(async move {
                    while !over.load(Ordering::Relaxed) {
                        sleep(Duration::from_millis(1)).await;
                        // One is given up, and one fails.
                        drop(shedder.enter(Priority::Normal));
                        shedder.enter(Priority::Normal).unwrap().answered(false);
                    }
                })
            };
            assert_eq!(work.load(1000, 60, 1).await.all_shed(), 0);
            over.store(true, Ordering::Relaxed);
            giving_up.await.unwrap();
        });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        /// However long calls take, and however much that varies: nothing waits, and nothing is shed.
        #[test]
        fn a_service_that_keeps_up_never_sheds(
            takes in 1..3000_u64,
            swing in 1..20_u64,
            rates in proptest::collection::vec(10..500_u64, 1..5),
        ) {
            let shed = simulate(async {
                let work = Work::new(Semaphore::MAX_PERMITS, Duration::from_millis(takes));
                let mut shed = 0;
                for rate in rates {
                    shed += work.load(rate, 5, swing).await.all_shed();
                }
                shed
            });
            prop_assert_eq!(shed, 0);
        }
    }
}

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How fast old measurements lose their weight: after this time they count 1/e.
const DECAY: f64 = 10e9;

/// So soon after a measurement another one would move the average by less than a ten-thousandth, unless it is
/// a peak; and all calls share what would be written.
const NO_TIME: u64 = 1_000_000;

/// What a node is taken to need that is busy and was not measured yet, in nanoseconds. It is so
/// much that a new node gets one call, and the next ones when that is answered.
const UNMEASURED: f64 = 60e9;

/// The latency that failures can add up to, in nanoseconds.
const WORST: f64 = 5e9;

/// The latency that a first failure counts as at least, in nanoseconds.
const FAILURE: f64 = 10e6;

/// How busy and how fast a node is: calls in flight, and the peak EWMA of their latency.
///
/// The moving average is Finagle's (`com.twitter.finagle.loadbalancer.PeakEwma`,
/// <https://github.com/twitter/finagle>): a latency above the average replaces it at once, one
/// below pulls it down by and by, more so the longer ago the last one was. Times are nanoseconds
/// since an epoch that the owner chose.
///
/// The average and its time are two atomics. A reader between the two writes sees an average that
/// is a little too old or too new, which does not matter here.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// How many calls there were, above, and how many are in flight, below: 32 bits each, so that a call
    /// writes once to count in both.
    calls: AtomicU64,
    /// Nanoseconds, the bits of an `f64`; 0 for never measured.
    average: AtomicU64,
    measured: AtomicU64,
    /// The average of the answers alone, as nanoseconds; 0 for never.
    answers: AtomicU64,
}

impl Load {
    pub(super) fn in_flight(&self) -> u32 {
        // The lower half.
        self.calls.load(Ordering::Relaxed) as u32
    }

    /// How many calls there were; after four billion it begins again.
    pub(super) fn calls(&self) -> u32 {
        (self.calls.load(Ordering::Relaxed) >> 32) as u32
    }

    pub(super) fn begin(&self) {
        self.calls.fetch_add((1 << 32) + 1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    /// There was no call after all.
    pub(super) fn uncount(&self) {
        self.calls.fetch_sub(1 << 32, Ordering::Relaxed);
    }

    pub(super) fn latency(&self, now: u64) -> Duration {
        // Not negative, and not more than what was measured.
        Duration::from_nanos(self.average(now) as u64)
    }

    pub(super) fn cost(&self, now: u64) -> f64 {
        let average = self.average(now);
        let in_flight = self.in_flight();
        if average == 0.0 && in_flight > 0 {
            return UNMEASURED * f64::from(in_flight);
        }
        average * (f64::from(in_flight) + 1.0)
    }

    /// A call was answered.
    pub(super) fn measure(&self, now: u64, latency: Duration) {
        let latency = (latency.as_nanos() as f64).max(1.0);
        let age = now.saturating_sub(self.measured.load(Ordering::Relaxed));
        let average = f64::from_bits(self.average.load(Ordering::Relaxed));
        if age < NO_TIME && average != 0.0 && latency < average {
            return;
        }
        self.measured.store(now, Ordering::Relaxed);
        // An eighth of each new one, as TCP smooths the time of a round trip (RFC 6298).
        let (usual, answer) = (self.answers.load(Ordering::Relaxed), latency as u64);
        let usual = if usual == 0 { answer } else { usual - usual / 8 + answer / 8 };
        self.answers.store(usual, Ordering::Relaxed);
        self.update(|average| {
            if average == 0.0 || latency >= average {
                return latency;
            }
            let weight = weight(age);
            average.mul_add(weight, latency * (1.0 - weight))
        });
    }

    /// Whether the node may take so long and be fine: up to twice what it usually takes, or, before the first answer,
    /// 10 ms.
    pub(super) fn is_usual(&self, waited: Duration) -> bool {
        let usual = self.answers.load(Ordering::Relaxed);
        let fair = if usual == 0 { FAILURE as u64 } else { usual.saturating_mul(2) };
        waited.as_nanos() < u128::from(fair)
    }

    /// A call failed. However fast that went, it must not make the node look fast: what fails at
    /// once would get all calls.
    pub(super) fn fail(&self, now: u64, latency: Duration) {
        let latency = latency.as_nanos() as f64;
        self.measured.store(now, Ordering::Relaxed);
        self.update(|average| (average * 2.0).max(FAILURE).min(WORST.max(average)).max(latency));
    }

    /// A call was given up. How long it would have taken is not known, only that it was longer.
    pub(super) fn give_up(&self, now: u64, waited: Duration) {
        if self.average.load(Ordering::Relaxed) == 0 {
            // Of a node that never answered this is all that is known, and it is not good.
            self.fail(now, waited);
        } else if waited.as_nanos() as f64 > self.average(now) {
            self.measure(now, waited);
        }
    }

    fn average(&self, now: u64) -> f64 {
        let average = f64::from_bits(self.average.load(Ordering::Relaxed));
        if average == 0.0 {
            return 0.0;
        }
        // Measured stays measured, however long ago.
        (average * weight(now.saturating_sub(self.measured.load(Ordering::Relaxed)))).max(1.0)
    }

    fn update(&self, change: impl Fn(f64) -> f64) {
        let update = |bits| Some(change(f64::from_bits(bits)).to_bits());
        // The closure never refuses, so this always succeeds.
        let _ = self.average.fetch_update(Ordering::Relaxed, Ordering::Relaxed, update);
    }
}

fn weight(age: u64) -> f64 {
    (-(age as f64) / DECAY).exp()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;
    const MILLISECOND: Duration = Duration::from_millis(1);

    #[test]
    fn a_peak_counts_at_once_and_fades() {
        let load = Load::default();
        assert_eq!(load.latency(0), Duration::ZERO);
        load.measure(0, MILLISECOND);
        load.measure(SECOND, 100 * MILLISECOND);
        assert_eq!(load.latency(SECOND), 100 * MILLISECOND);
        load.measure(2 * SECOND, MILLISECOND);
        let after_one = load.latency(2 * SECOND);
        assert!(after_one > 85 * MILLISECOND && after_one < 95 * MILLISECOND, "{after_one:?}");
        for second in 3..60 {
            load.measure(second * SECOND, MILLISECOND);
        }
        assert!(load.latency(60 * SECOND) < 2 * MILLISECOND);
    }

    #[test]
    fn a_node_that_is_not_measured_gets_one_call_and_no_second_before_the_answer() {
        let (new, known) = (Load::default(), Load::default());
        known.measure(0, 50 * MILLISECOND);
        assert!(new.cost(0) < known.cost(0));
        new.begin();
        known.begin();
        assert!(new.cost(0) > known.cost(0));
    }

    #[test]
    fn calls_in_flight_cost() {
        let (idle, busy) = (Load::default(), Load::default());
        idle.measure(0, 3 * MILLISECOND);
        busy.measure(0, MILLISECOND);
        assert!(busy.cost(0) < idle.cost(0));
        for _ in 0..4 {
            busy.begin();
        }
        assert!(busy.cost(0) > idle.cost(0));
        busy.end();
        assert_eq!((busy.in_flight(), busy.calls()), (3, 4));
    }

    #[test]
    fn failing_fast_makes_a_node_expensive() {
        let (fine, broken) = (Load::default(), Load::default());
        for call in 0..10 {
            fine.measure(call, MILLISECOND);
            broken.fail(call, Duration::from_micros(10));
        }
        assert!(broken.cost(10) > 10.0 * fine.cost(10));
        assert!(broken.latency(10) <= Duration::from_secs(5));
    }

    #[test]
    fn a_call_that_was_given_up_late_counts_and_an_early_one_does_not() {
        let load = Load::default();
        load.measure(0, 10 * MILLISECOND);
        load.give_up(0, MILLISECOND);
        assert_eq!(load.latency(0), 10 * MILLISECOND);
        load.give_up(0, 70 * MILLISECOND);
        assert_eq!(load.latency(0), 70 * MILLISECOND);
    }
}

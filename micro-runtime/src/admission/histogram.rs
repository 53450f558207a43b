//! How long calls took, roughly.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A doubling has so many buckets: what comes out is within an eighth of what went in.
const PER_DOUBLING: u32 = 4;

/// From a microsecond up to half an hour.
const BUCKETS: usize = 31 * PER_DOUBLING as usize;

/// Times by their length. Each is counted in one place, so that two cores seldom meet there.
#[derive(Debug)]
pub(super) struct Histogram([AtomicU32; BUCKETS]);

/// What a histogram had to say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Summary {
    pub(super) count: u64,
    /// In seconds.
    pub(super) mean: f64,
    pub(super) median: f64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| AtomicU32::new(0)))
    }

    pub(super) fn note(&self, time: Duration) {
        self.0[bucket(time)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many times were noted.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|bucket| u64::from(bucket.load(Ordering::Relaxed))).sum()
    }

    /// Takes everything out.
    pub(super) fn take(&self) -> Summary {
        let counts: Vec<u64> =
            self.0.iter().map(|bucket| u64::from(bucket.swap(0, Ordering::Relaxed))).collect();
        let count: u64 = counts.iter().sum();
        if count == 0 {
            return Summary::default();
        }
        let sum: f64 = counts.iter().enumerate().map(|(index, count)| *count as f64 * middle(index)).sum();
        let mut seen = 0;
        let median = counts.iter().position(|bucket| {
            seen += bucket;
            2 * seen >= count
        });
        Summary { count, mean: sum / count as f64, median: median.map_or(0.0, middle) }
    }
}

/// The bucket of a time.
fn bucket(time: Duration) -> usize {
    let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1);
    let doublings = micros.ilog2();
    // The two bits behind the first one tell the quarters of the doubling apart.
    let quarter =
        if doublings >= 2 { (micros >> (doublings - 2)) & 3 } else { (micros << (2 - doublings)) & 3 };
    let index = u64::from(doublings * PER_DOUBLING) + quarter;
    usize::try_from(index).unwrap_or(BUCKETS).min(BUCKETS - 1)
}

/// The middle of a bucket, in seconds.
fn middle(index: usize) -> f64 {
    let (doublings, quarter) = (index / PER_DOUBLING as usize, index % PER_DOUBLING as usize);
    let base = (1_u64 << doublings) as f64;
    let width = base / f64::from(PER_DOUBLING);
    (base + (quarter as f64 + 0.5) * width) / 1e6
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_time_comes_out_as_it_went_in_but_for_an_eighth(micros in 4..1_800_000_000_u64) {
            let histogram = Histogram::new();
            histogram.note(Duration::from_micros(micros));
            let summary = histogram.take();
            prop_assert_eq!((summary.count, histogram.count()), (1, 0));
            let seconds = micros as f64 / 1e6;
            for out in [summary.mean, summary.median] {
                prop_assert!((out - seconds).abs() <= seconds / 8.0 + 1e-9, "{out} for {seconds}");
            }
        }

        #[test]
        fn the_longer_time_is_never_in_an_earlier_bucket(a in any::<u64>(), b in any::<u64>()) {
            let (short, long) = (a.min(b), a.max(b));
            prop_assert!(bucket(Duration::from_micros(short)) <= bucket(Duration::from_micros(long)));
        }
    }

    #[test]
    fn the_median_does_not_follow_a_few_that_are_long() {
        let histogram = Histogram::new();
        for index in 0..100 {
            histogram.note(Duration::from_millis(if index < 90 { 1 } else { 1000 }));
        }
        let summary = histogram.take();
        assert!(summary.median < 0.0015 && summary.mean > 0.09, "{summary:?}");
        assert_eq!(histogram.take(), Summary::default());
    }
}

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::cells::Sharded;
use super::snapshot::Distribution;

/// The boundaries of all histograms, in nanoseconds: a time is counted with the first that it does not exceed, or
/// above the last one.
///
/// From 5 ms on they are those that OpenTelemetry recommends for the duration of calls
/// (<https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/>); below that they go on in the same steps to 10 µs,
/// since calls between services in one room take less than 5 ms; and 30 s is how long a call may take by
/// default.
pub const BOUNDARIES: [u64; 23] = [
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    75_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    750_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    7_500_000_000,
    10_000_000_000,
    30_000_000_000,
];

/// A number that only grows. Clones are the same one.
#[derive(Clone, Default)]
pub struct Counter(Option<Sharded<AtomicU64>>);

impl Counter {
    pub(super) fn new(shards: usize) -> Self {
        Self(Some(Sharded::new(shards)))
    }

    /// Adds to it.
    pub fn add(&self, count: u64) {
        if let Some(cells) = &self.0 {
            cells.mine().fetch_add(count, Ordering::Relaxed);
        }
    }

    /// What it is now.
    pub fn get(&self) -> u64 {
        self.0.iter().flat_map(Sharded::all).map(|cell| cell.load(Ordering::Relaxed)).sum()
    }
}

/// A number that goes up and down. Clones are the same one.
#[derive(Clone, Default)]
pub struct Gauge(Option<Arc<AtomicU64>>);

impl Gauge {
    pub(super) fn new() -> Self {
        Self(Some(Arc::default()))
    }

    /// Sets it.
    pub fn set(&self, value: f64) {
        if let Some(bits) = &self.0 {
            bits.store(value.to_bits(), Ordering::Relaxed);
        }
    }

    /// Adds to it, or takes from it what is negative.
    pub fn add(&self, value: f64) {
        if let Some(bits) = &self.0 {
            let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
            // The closure never refuses.
            let _ = bits.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        }
    }

    /// What it is now.
    pub fn get(&self) -> f64 {
        self.0.as_ref().map_or(0.0, |bits| f64::from_bits(bits.load(Ordering::Relaxed)))
    }
}

/// Times, counted by how long they were. Clones are the same one.
#[derive(Clone, Default)]
pub struct Histogram(Option<Sharded<Buckets>>);

#[derive(Default)]
struct Buckets {
    /// The last one is for all that is longer than the last boundary.
    counts: [AtomicU64; BOUNDARIES.len() + 1],
    /// In nanoseconds, which is enough for 584 years.
    sum: AtomicU64,
}

impl Histogram {
    pub(super) fn new(shards: usize) -> Self {
        Self(Some(Sharded::new(shards)))
    }

    /// Counts a time.
    pub fn record(&self, time: Duration) {
        let Some(cells) = &self.0 else { return };
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let index = BOUNDARIES.partition_point(|boundary| *boundary < nanos);
        let mine = cells.mine();
        if let Some(count) = mine.counts.get(index) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        mine.sum.fetch_add(nanos, Ordering::Relaxed);
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        let counts = self.0.iter().flat_map(Sharded::all).flat_map(|buckets| &buckets.counts);
        counts.map(|count| count.load(Ordering::Relaxed)).sum()
    }

    pub(super) fn read(&self) -> Distribution {
        let mut counts = [0; BOUNDARIES.len() + 1];
        let mut sum = 0;
        for buckets in self.0.iter().flat_map(Sharded::all) {
            for (all, count) in counts.iter_mut().zip(&buckets.counts) {
                *all += count.load(Ordering::Relaxed);
            }
            sum += buckets.sum.load(Ordering::Relaxed);
        }
        Distribution::new(&counts, Duration::from_nanos(sum))
    }
}

macro_rules! shown {
    ($($name:ident: $get:ident),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.$get()).finish()
            }
        })*
    };
}

shown!(Counter: get, Gauge: get, Histogram: count);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_counted_with_the_first_boundary_that_it_does_not_exceed() {
        assert!(BOUNDARIES.is_sorted());
        let times = Histogram::new(2);
        for nanos in [0, 10_000, 10_001, 30_000_000_000, 30_000_000_001] {
            times.record(Duration::from_nanos(nanos));
        }
        let read = times.read();
        let upto = |seconds: f64| read.buckets().iter().find(|(le, _)| *le == seconds).unwrap().1;
        assert_eq!((upto(0.000_01), upto(0.000_025), upto(10.0), upto(30.0)), (2, 3, 3, 4));
        assert_eq!(read.count(), 5);
        assert_eq!(read.sum(), Duration::from_nanos(60_000_020_002));
    }

    #[test]
    fn a_gauge_goes_up_and_down() {
        let gauge = Gauge::new();
        gauge.set(2.5);
        gauge.add(-1.0);
        assert_eq!(gauge.get(), 1.5);
    }
}

//! Metrics: what a client and a service count of themselves, for people and for Prometheus.
//!
//! A [`Metrics`] is a handle that is given, and nothing of it belongs to the process: every client and every
//! service has one of its own unless it is told to share one. It is on by default. A call costs a look at the clock
//! and a few additions to memory that no other thread writes; [`Metrics::off`] costs nothing.
//!
//! ```
//! use micro_runtime::metrics::Metrics;
//!
//! let metrics = Metrics::new();
//! let orders = metrics.counter("shop_orders", "Orders that were placed.", &[("kind", "book")]);
//! orders.add(1);
//! assert_eq!(metrics.snapshot().value("shop_orders", &[("kind", "book")]), Some(1.0));
//! assert!(metrics.render().contains("shop_orders_total{kind=\"book\"} 1\n"));
//! ```

mod calls;
mod cells;
mod families;
mod instruments;
mod observed;
mod snapshot;
mod text;

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

pub(crate) use calls::{Calls, Counting, Side};
use families::{Families, Instrument};
pub use instruments::{BOUNDARIES, Counter, Gauge, Histogram};
use observed::Observers;
pub use observed::Samples;
pub use snapshot::{Distribution, Family, Kind, Sample, Snapshot, Value};

/// How many sets of labels a family of metrics has at the most; what comes after that is counted together, with the
/// label `otel_metric_overflow="true"`.
///
/// The number and the label are those of the OpenTelemetry SDK
/// (<https://opentelemetry.io/docs/specs/otel/metrics/sdk/#cardinality-limits>).
pub const MOST_LABEL_SETS: usize = 2000;

/// So many threads write without sharing a cache line.
const MOST_SHARDS: usize = 16;

/// A handle on what is counted. Clones share it.
///
/// Ask it for an instrument once and keep that: looking one up takes a lock, and counting with it does not.
#[derive(Clone, Default)]
pub struct Metrics(Option<Arc<Inner>>);

struct Inner {
    shards: usize,
    families: Families,
    observers: Observers,
    calls: calls::Table,
}

impl Metrics {
    /// What [`render`](Self::render) returns, as a `content-type`.
    pub const CONTENT_TYPE: &'static str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

    /// Metrics that nothing has been counted with yet.
    pub fn new() -> Self {
        // More than there are cores would be read for nothing.
        let threads = available_parallelism().map_or(1, usize::from);
        let shards = threads.next_power_of_two().min(MOST_SHARDS);
        Self(Some(Arc::new(Inner {
            shards,
            families: Families::default(),
            observers: Observers::default(),
            calls: calls::Table::default(),
        })))
    }

    /// Metrics that count nothing and cost nothing.
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether nothing is counted.
    pub fn is_off(&self) -> bool {
        self.0.is_none()
    }

    /// A number that only grows. Its name has no `_total` at its end, which the text form adds.
    ///
    /// The same name and labels are the same counter. Characters that may not be in a name are written as `_`. Where
    /// the name belongs to another kind of instrument already, this one counts for itself, and the log says so.
    pub fn counter(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Counter {
        let Some(inner) = &self.0 else { return Counter::default() };
        let made = || Instrument::Counter(Counter::new(inner.shards));
        match inner.families.get(Kind::Counter, name, help, labels, made) {
            Instrument::Counter(counter) => counter,
            _ => Counter::new(inner.shards),
        }
    }

    /// A number that goes up and down. Otherwise as [`counter`](Self::counter).
    pub fn gauge(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Gauge {
        let Some(inner) = &self.0 else { return Gauge::default() };
        let made = || Instrument::Gauge(Gauge::new());
        match inner.families.get(Kind::Gauge, name, help, labels, made) {
            Instrument::Gauge(gauge) => gauge,
            _ => Gauge::new(),
        }
    }

    /// Times, counted by how long they were, see [`BOUNDARIES`]; the name ends in `_seconds`. Otherwise as
    /// [`counter`](Self::counter).
    pub fn histogram(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Histogram {
        let Some(inner) = &self.0 else { return Histogram::default() };
        let made = || Instrument::Histogram(Histogram::new(inner.shards));
        match inner.families.get(Kind::Histogram, name, help, labels, made) {
            Instrument::Histogram(histogram) => histogram,
            _ => Histogram::new(inner.shards),
        }
    }

    /// Asks `observe` for numbers whenever the metrics are read, for as long as the owner lives elsewhere: for what
    /// somebody counts anyway.
    ///
    /// Numbers of several owners with the same name and labels are added up, but for
    /// [those of which the greatest counts](Samples::gauge_max). Observing an owner a second time
    /// in the same place of the program changes nothing.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// use micro_runtime::metrics::Metrics;
    ///
    /// let (metrics, refused) = (Metrics::new(), Arc::new(AtomicU64::new(0)));
    /// metrics.observe(&refused, |refused, samples| {
    ///     samples.counter("door_refused", "Who was not let in.", &[], refused.load(Ordering::Relaxed) as f64);
    /// });
    /// refused.fetch_add(2, Ordering::Relaxed);
    /// assert_eq!(metrics.snapshot().value("door_refused", &[]), Some(2.0));
    /// ```
    pub fn observe<T, F>(&self, owner: &Arc<T>, observe: F)
    where
        T: ?Sized + Send + Sync + 'static,
        F: Fn(&T, &mut Samples<'_>) + Send + Sync + 'static,
    {
        if let Some(inner) = &self.0 {
            inner.observers.add(owner, observe);
        }
    }

    /// What is counted of the calls of one method.
    pub(crate) fn calls(&self, side: Side, service: &'static str, method: &'static str) -> Calls {
        match &self.0 {
            Some(inner) => inner.calls.get(side, service, method, inner.shards),
            None => Calls::default(),
        }
    }

    /// All numbers, now: for tests and for tools.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        if let Some(inner) = &self.0 {
            inner.families.read(&mut snapshot);
            inner.calls.read(&mut snapshot);
            inner.observers.read(&mut snapshot);
        }
        snapshot
    }

    /// All numbers as text, in the format of OpenMetrics 1.0, which Prometheus and others read. Serve it as
    /// [`CONTENT_TYPE`](Self::CONTENT_TYPE).
    pub fn render(&self) -> String {
        text::render(&self.snapshot())
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").field("off", &self.is_off()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_same_name_and_labels_are_the_same_instrument_in_whatever_order() {
        let metrics = Metrics::new();
        metrics.counter("calls", "Calls.", &[("a", "1"), ("b", "2")]).add(1);
        metrics.clone().counter("calls_total", "Calls.", &[("b", "2"), ("a", "1")]).add(2);
        metrics.counter("calls", "Calls.", &[("a", "1"), ("b", "3")]).add(4);
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.value("calls", &[("a", "1"), ("b", "2")]), Some(3.0));
        assert_eq!(snapshot.value("calls", &[("a", "1")]), Some(7.0));
        assert_eq!(snapshot.value("calls", &[("a", "2")]), None);
    }

    #[test]
    fn what_is_off_takes_everything_and_keeps_nothing() {
        let metrics = Metrics::off();
        metrics.counter("a", "", &[]).add(1);
        metrics.gauge("b", "", &[]).set(1.0);
        metrics.histogram("c_seconds", "", &[]).record(Duration::from_secs(1));
        metrics.observe(&Arc::new(()), |(), samples| samples.gauge("d", "", &[], 1.0));
        assert!(metrics.snapshot().families().is_empty());
        assert_eq!(metrics.render(), "# EOF\n");
    }

    #[test]
    fn a_name_that_belongs_to_another_kind_counts_for_itself() {
        let metrics = Metrics::new();
        metrics.counter("things", "Things.", &[]).add(1);
        metrics.gauge("things", "Things.", &[]).set(7.0);
        assert_eq!(metrics.snapshot().value("things", &[]), Some(1.0));
    }

    #[test]
    fn two_metrics_share_nothing() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.counter("a", "", &[]).add(1);
        assert_eq!(other.snapshot().value("a", &[]), None);
    }

    #[test]
    fn more_label_sets_than_there_may_be_are_counted_together() {
        let metrics = Metrics::new();
        for number in 0..MOST_LABEL_SETS + 5 {
            metrics.counter("a", "", &[("number", &number.to_string())]).add(1);
        }
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.value("a", &[("otel_metric_overflow", "true")]), Some(5.0));
        assert_eq!(snapshot.value("a", &[]), Some((MOST_LABEL_SETS + 5) as f64));
    }

    #[test]
    fn what_is_observed_goes_with_its_owner_and_owners_are_added_up() {
        let metrics = Metrics::new();
        let observe = |owner: &Arc<f64>| {
            metrics.observe(owner, |value, samples| samples.gauge("size", "", &[], *value));
        };
        let (one, other) = (Arc::new(1.0), Arc::new(2.0));
        for owner in [&one, &other, &one] {
            observe(owner);
        }
        assert_eq!(metrics.snapshot().value("size", &[]), Some(3.0));
        drop(one);
        assert_eq!(metrics.snapshot().value("size", &[]), Some(2.0));
    }

    #[test]
    fn of_the_ages_of_several_owners_the_greatest_counts() {
        let metrics = Metrics::new();
        let owners = [Arc::new(1.0), Arc::new(3.0), Arc::new(2.0)];
        for owner in &owners {
            metrics.observe(owner, |age, samples| samples.gauge_max("age_seconds", "", &[], *age));
        }
        assert_eq!(metrics.snapshot().value("age_seconds", &[]), Some(3.0));
    }

    #[test]
    fn nothing_is_lost_between_threads() {
        let metrics = Metrics::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let counter = metrics.counter("a", "", &[]);
                    let times = metrics.histogram("b_seconds", "", &[]);
                    for _ in 0..1000 {
                        counter.add(1);
                        times.record(Duration::from_micros(3));
                    }
                });
            }
        });
        let snapshot = metrics.snapshot();
        assert_eq!(snapshot.value("a", &[]), Some(8000.0));
        assert_eq!(snapshot.value("b_seconds", &[]), Some(8000.0));
    }
}

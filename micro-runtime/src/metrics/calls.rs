//! What is counted of every call, on either side.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::MOST_LABEL_SETS;
use super::cells::Sharded;
use super::families::{clean_labels, overflow};
use super::instruments::Histogram;
use super::snapshot::{Kind, Snapshot, Value};
use crate::error::Code;

/// How many ways a call can end: well, and with each code.
const ENDS: usize = 17;

/// Which side of a call counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Client,
    Server,
}

/// The calls of one method, on one side.
#[derive(Clone, Default)]
pub(crate) struct Calls(Option<Arc<Counts>>);

struct Counts {
    shards: usize,
    /// Those in flight are these without those that ended: one addition less for each call.
    started: Sharded<AtomicU64>,
    /// By the number of the code, made when a call first ended so.
    ended: [OnceLock<Histogram>; ENDS],
    /// Attempts that were not the first one of their call.
    again: AtomicU64,
}

impl Calls {
    /// Counts a call that began then as in flight, until what is returned is told how it ended, or is dropped, which
    /// is that its caller gave it up.
    pub(crate) fn begin(&self, since: Instant) -> Counting<'_> {
        if let Some(counts) = &self.0 {
            counts.started.mine().fetch_add(1, Ordering::Relaxed);
        }
        Counting { calls: Cow::Borrowed(self), since, ended: self.0.is_none() }
    }

    /// Counts an attempt that is not the first one of its call.
    pub(crate) fn again(&self) {
        if let Some(counts) = &self.0 {
            counts.again.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn end(&self, end: Option<Code>, time: Duration) {
        if let Some(counts) = &self.0
            && let Some(times) = counts.ended.get(end.map_or(0, |code| code.number() as usize))
        {
            times.get_or_init(|| Histogram::new(counts.shards)).record(time);
        }
    }
}

impl fmt::Debug for Calls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Calls").finish_non_exhaustive()
    }
}

/// A call that is counted as in flight.
#[derive(Debug)]
pub(crate) struct Counting<'a> {
    calls: Cow<'a, Calls>,
    since: Instant,
    ended: bool,
}

impl Counting<'_> {
    /// The call ended: well where there is no code. Only the first end counts.
    pub(crate) fn end(&mut self, end: Option<Code>) {
        self.end_at(end, None);
    }

    /// The same where somebody looked at the clock when it ended.
    pub(crate) fn end_at(&mut self, end: Option<Code>, at: Option<Instant>) {
        if !std::mem::replace(&mut self.ended, true) {
            let at = at.unwrap_or_else(Instant::now);
            self.calls.end(end, at.saturating_duration_since(self.since));
        }
    }

    /// The same for a call that outlives what it began in, as streams do.
    pub(crate) fn into_owned(mut self) -> Counting<'static> {
        let ended = std::mem::replace(&mut self.ended, true);
        Counting { calls: Cow::Owned(self.calls.as_ref().clone()), since: self.since, ended }
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.end(Some(Code::Canceled));
    }
}

/// The calls of all methods. They stay when the client or the server is gone: a counter does not fall.
#[derive(Default)]
pub(super) struct Table(Mutex<BTreeMap<(Side, &'static str, &'static str), Calls>>);

impl Table {
    pub(super) fn get(
        &self,
        side: Side,
        service: &'static str,
        method: &'static str,
        shards: usize,
    ) -> Calls {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = table.len() >= MOST_LABEL_SETS && !table.contains_key(&(side, service, method));
        let key = if full { (side, "", "") } else { (side, service, method) };
        let new = || {
            Calls(Some(Arc::new(Counts {
                shards,
                started: Sharded::new(shards),
                ended: Default::default(),
                again: AtomicU64::new(0),
            })))
        };
        table.entry(key).or_insert_with(new).clone()
    }

    pub(super) fn read(&self, snapshot: &mut Snapshot) {
        let table = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for ((side, service, method), calls) in &table {
            let Some(counts) = &calls.0 else { continue };
            let is_other = service.is_empty() && method.is_empty();
            let labels = |code: Option<&str>| {
                let mut labels = vec![("rpc_service", *service), ("rpc_method", *method)];
                labels.extend(code.map(|code| ("code", code)));
                if is_other { overflow() } else { clean_labels(&labels) }
            };
            let names = Names::of(*side);
            // Ended before started, so that no more can have ended.
            let mut ended = 0;
            for (number, times) in counts.ended.iter().enumerate() {
                let Some(times) = times.get() else { continue };
                let read = times.read();
                ended += read.count();
                let code = u32::try_from(number).ok().and_then(Code::from_number);
                let labels = labels(Some(code.map_or("ok", Code::as_str)));
                snapshot.put(Kind::Histogram, names.times, names.help, labels, Value::Distribution(read));
            }
            let started: u64 = counts.started.all().map(|cell| cell.load(Ordering::Relaxed)).sum();
            let in_flight = Value::Number(started.saturating_sub(ended) as f64);
            let help = "Calls that have not ended.";
            snapshot.put(Kind::Gauge, names.in_flight, help, labels(None), in_flight);
            if *side == Side::Client {
                let attempts = started + counts.again.load(Ordering::Relaxed);
                let help = "Attempts of calls to get an answer, the first ones included.";
                let value = Value::Number(attempts as f64);
                snapshot.put(Kind::Counter, "micro_client_attempts", help, labels(None), value);
            }
        }
    }
}

/// What the numbers are called; where OpenTelemetry has a name, it is that
/// (<https://opentelemetry.io/docs/specs/semconv/rpc/rpc-metrics/>).
struct Names {
    times: &'static str,
    help: &'static str,
    in_flight: &'static str,
}

impl Names {
    fn of(side: Side) -> Self {
        match side {
            Side::Client => Self {
                times: "rpc_client_call_duration_seconds",
                help: "How long calls took, as their caller saw them, by the code they ended with.",
                in_flight: "micro_client_calls_in_flight",
            },
            Side::Server => Self {
                times: "rpc_server_call_duration_seconds",
                help: "How long calls took in this service, by the code they ended with.",
                in_flight: "micro_server_calls_in_flight",
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    fn calls(metrics: &Metrics) -> Calls {
        metrics.calls(Side::Client, "shop.v1.Shop", "Buy")
    }

    #[test]
    fn a_call_is_in_flight_until_it_ended_and_is_counted_by_its_code() {
        let metrics = Metrics::new();
        let (first, second) = (calls(&metrics), calls(&metrics));
        let mut one = first.begin(Instant::now());
        let other = second.begin(Instant::now()).into_owned();
        let method = [("rpc_service", "shop.v1.Shop"), ("rpc_method", "Buy")];
        assert_eq!(metrics.snapshot().value("micro_client_calls_in_flight", &method), Some(2.0));
        one.end(None);
        drop(one);
        drop(other);
        second.begin(Instant::now()).end(Some(Code::Unavailable));
        second.again();
        let snapshot = metrics.snapshot();
        let ended = |code| snapshot.value("rpc_client_call_duration_seconds", &[method[0], ("code", code)]);
        assert_eq!(ended("ok"), Some(1.0));
        assert_eq!(ended("canceled"), Some(1.0), "it was dropped");
        assert_eq!(ended("unavailable"), Some(1.0));
        assert_eq!(ended("internal"), None);
        assert_eq!(snapshot.value("micro_client_calls_in_flight", &method), Some(0.0));
        assert_eq!(snapshot.value("micro_client_attempts", &method), Some(4.0));
    }
}

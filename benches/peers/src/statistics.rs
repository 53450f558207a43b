//! Medians over rounds.

use load::Outcome;
use serde::{Deserialize, Serialize};

/// What the rounds of one stack and one workload come to: medians of each figure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Summary {
    /// Calls per second; messages, where there are streams.
    pub(crate) rate: f64,
    /// The fastest round less the slowest one, as a part of the median.
    pub(crate) spread: f64,
    /// Microseconds.
    pub(crate) p50: Option<f64>,
    pub(crate) p99: Option<f64>,
    pub(crate) p999: Option<f64>,
    /// Processor time in microseconds for each call, which is milliseconds for 1,000 calls.
    pub(crate) client_cpu: Option<f64>,
    pub(crate) server_cpu: Option<f64>,
    /// Bytes.
    pub(crate) client_peak: Option<f64>,
    pub(crate) server_peak: Option<f64>,
    pub(crate) connections: Option<f64>,
    /// Bytes for each connection or stream that is held.
    pub(crate) client_held: Option<f64>,
    pub(crate) server_held: Option<f64>,
}

impl Summary {
    /// Of these rounds; nothing where there is none.
    pub(crate) fn of(rounds: &[Outcome]) -> Option<Self> {
        let rate = |round: &Outcome| (round.seconds > 0.0).then(|| round.calls as f64 / round.seconds);
        let rates: Vec<_> = rounds.iter().filter_map(rate).collect();
        if rounds.is_empty() {
            return None;
        }
        let all =
            |figure: &dyn Fn(&Outcome) -> Option<f64>| median(rounds.iter().filter_map(figure).collect());
        let each =
            |seconds: f64, round: &Outcome| (round.calls > 0).then(|| seconds * 1e6 / round.calls as f64);
        let middle = median(rates.clone()).unwrap_or_default();
        let (slowest, fastest) = rates
            .iter()
            .fold((f64::INFINITY, 0.0_f64), |(low, high), rate| (low.min(*rate), high.max(*rate)));
        Some(Self {
            rate: middle,
            spread: if middle > 0.0 { (fastest - slowest) / middle } else { 0.0 },
            p50: all(&|round| Some(round.latency?.p50)),
            p99: all(&|round| Some(round.latency?.p99)),
            p999: all(&|round| Some(round.latency?.p999)),
            client_cpu: all(&|round| each(round.client_cpu, round)),
            server_cpu: all(&|round| each(round.server_cpu?, round)),
            client_peak: all(&|round| Some(round.client_peak? as f64)),
            server_peak: all(&|round| Some(round.server_peak? as f64)),
            connections: all(&|round| Some(round.connections? as f64)),
            client_held: all(&|round| round.held?.client_each),
            server_held: all(&|round| round.held?.server_each),
        })
    }

    /// Processor time of both sides for each call, in microseconds.
    pub(crate) fn cpu(&self) -> Option<f64> {
        Some(self.client_cpu? + self.server_cpu?)
    }
}

/// The middle value, or the mean of the two in the middle. What is not a number does not count.
pub(crate) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.retain(|value| value.is_finite());
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len() % 2 == 1 { upper } else { f64::midpoint(values[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use load::{Kind, Latency, Workload};

    use super::*;

    fn outcome(calls: u64, p50: f64) -> Outcome {
        Outcome {
            workload: Workload::new(Kind::Unary, 0, 1),
            seconds: 2.0,
            calls,
            latency: Some(Latency { p50, p99: 2.0 * p50, p999: 3.0 * p50, max: 9.0 * p50, mean: p50 }),
            client_cpu: 0.1,
            server_cpu: None,
            client_peak: Some(1 << 20),
            server_peak: None,
            connections: Some(1),
            held: None,
        }
    }

    #[test]
    fn the_median_is_the_value_in_the_middle() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(vec![f64::NAN, 5.0]), Some(5.0));
        assert_eq!(median(vec![]), None);
    }

    #[test]
    fn each_figure_has_a_median_of_its_own() {
        let summary = Summary::of(&[outcome(1000, 9.0), outcome(3000, 2.0), outcome(2000, 4.0)]).unwrap();
        assert_eq!(summary.rate, 1000.0);
        assert_eq!(summary.spread, 1.0);
        assert_eq!((summary.p50, summary.p99), (Some(4.0), Some(8.0)));
        assert_eq!(summary.client_cpu, Some(50.0), "a tenth of a second for 2,000 calls");
        assert_eq!(summary.server_cpu, None);
        assert_eq!(summary.cpu(), None, "one side alone is not the cost");
    }

    #[test]
    fn no_rounds_come_to_nothing() {
        assert_eq!(Summary::of(&[]), None);
    }
}

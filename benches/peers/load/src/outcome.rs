//! What a client says of its run.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::Workload;

/// The result of one run: one line of JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Outcome {
    /// What was put on the stack.
    pub workload: Workload,
    /// How long it was measured, in seconds, after the warm-up.
    pub seconds: f64,
    /// How many calls ended in that time; messages, where there are streams.
    pub calls: u64,
    /// How long calls took; for streams both ways how long a message was under way. Nothing for server streams.
    pub latency: Option<Latency>,
    /// The processor time of the client in that time, in seconds.
    pub client_cpu: f64,
    /// The same of the server, where the client knows which process that is.
    pub server_cpu: Option<f64>,
    /// The most memory that the client has had, in bytes.
    pub client_peak: Option<u64>,
    /// The most memory that the server has had, in bytes.
    pub server_peak: Option<u64>,
    /// The connections that were open at the end.
    pub connections: Option<usize>,
    /// Where the workload is to hold connections or streams: what each of them takes.
    pub held: Option<Held>,
}

/// How long calls took, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the calls took no longer.
    pub p50: f64,
    /// 99 of 100 calls took no longer.
    pub p99: f64,
    /// 999 of 1,000 calls took no longer.
    pub p999: f64,
    /// The longest time.
    pub max: f64,
    /// The mean.
    pub mean: f64,
}

/// What connections or streams take that are held.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// How many there were.
    pub count: usize,
    /// Memory of the server for each of them, in bytes.
    pub server_each: Option<f64>,
    /// Memory of the client for each of them, in bytes.
    pub client_each: Option<f64>,
}

impl Latency {
    /// Of a histogram in nanoseconds.
    pub(crate) fn of(times: &Histogram<u32>) -> Self {
        let microseconds = |nanoseconds: u64| nanoseconds as f64 / 1000.0;
        Self {
            p50: microseconds(times.value_at_quantile(0.5)),
            p99: microseconds(times.value_at_quantile(0.99)),
            p999: microseconds(times.value_at_quantile(0.999)),
            max: microseconds(times.max()),
            mean: times.mean() / 1000.0,
        }
    }
}

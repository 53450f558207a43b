//! The calls, and what they came to.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use micro::{Client, Context, Error, Result};
use tokio::time::{Instant, sleep};

use crate::node::WorkClient;

/// So many call at a time, with a pause between a call and the next one.
const CALLERS: u64 = 8;
const PAUSE: Duration = Duration::from_millis(5);

/// Constant load.
#[derive(Clone)]
pub(crate) struct Load {
    client: Client,
    tally: Arc<Mutex<Tally>>,
}

/// What the calls of some time came to.
#[derive(Default)]
pub(crate) struct Tally {
    /// How long each of those that were answered took.
    took: Vec<Duration>,
    failed: usize,
    first_error: Option<Error>,
}

impl Load {
    /// Calls this service in the background, until the program ends.
    pub(crate) fn start(client: Client, service: &str) -> Self {
        let load = Self { client, tally: Arc::default() };
        for caller in 0..CALLERS {
            let (load, work) = (load.clone(), WorkClient::with_name(&load.client, service));
            tokio::spawn(async move {
                for number in caller.. {
                    let start = Instant::now();
                    let answer = work.square(&Context::new(), number).await;
                    load.tally().note(answer, start.elapsed());
                    sleep(PAUSE).await;
                }
            });
        }
        load
    }

    /// What the calls came to since this was asked the last time.
    pub(crate) fn take(&self) -> Tally {
        std::mem::take(&mut *self.tally())
    }

    /// How many calls were made again so far, because their node died before it answered.
    pub(crate) fn retries(&self) -> u64 {
        self.client.stats().iter().map(|target| target.retries).sum()
    }

    fn tally(&self) -> MutexGuard<'_, Tally> {
        self.tally.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tally {
    fn note(&mut self, answer: Result<u64>, took: Duration) {
        match answer {
            Ok(_) => self.took.push(took),
            Err(error) => {
                self.failed += 1;
                self.first_error.get_or_insert(error);
            }
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.took.extend(other.took);
        self.failed += other.failed;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    pub(crate) fn first_error(&self) -> Option<&Error> {
        self.first_error.as_ref()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = self.took.len() + self.failed;
        // As a share of none, none failed.
        let succeeded = 100.0 * self.took.len() as f64 / calls.max(1) as f64;
        let mut took = self.took.clone();
        took.sort_unstable();
        let at = |percent: usize| match took.len() {
            0 => 0.0,
            calls => took[(calls * percent / 100).min(calls - 1)].as_secs_f64() * 1e3,
        };
        let (half, most) = (at(50), at(99));
        write!(
            f,
            "{calls:>6} calls   {:>2} failed   {succeeded:6.2} %   p50 {half:4.1} ms   p99 {most:5.1} ms",
            self.failed
        )
    }
}

use std::time::{Duration, SystemTime};

use super::Check;
use crate::error::{Error, Result};

/// What is known of one check. How it is asked for: [`Health::report`](super::Health::report).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CheckReport {
    /// Its name.
    pub name: String,
    /// Whether the service is in the registry only while this is healthy.
    pub gates: bool,
    /// Whether it counts as healthy, which it is until it has failed so many times in a row.
    pub healthy: bool,
    /// Since when it counts as that.
    pub since: SystemTime,
    /// When it last ran; `None` before its first run is done.
    pub last_run: Option<SystemTime>,
    /// How long the last run took.
    pub took: Duration,
    /// How the last run failed, where it did.
    pub error: Option<String>,
    /// How many of the last runs failed, one after the other.
    pub failures_in_a_row: u32,
}

/// The results of one check, and what follows from them.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) report: CheckReport,
    /// Whether callers can ask for it.
    pub(super) public: bool,
    failures: u32,
    successes: u32,
    successes_in_a_row: u32,
}

impl Record {
    pub(super) fn of(name: &str, check: &Check) -> Self {
        let report = CheckReport {
            name: name.to_owned(),
            gates: check.gates,
            healthy: true,
            since: SystemTime::now(),
            last_run: None,
            took: Duration::ZERO,
            error: None,
            failures_in_a_row: 0,
        };
        Self {
            report,
            public: true,
            failures: check.failures,
            successes: check.successes,
            successes_in_a_row: 0,
        }
    }

    /// Of what the service looks at by itself. Nothing follows from it.
    pub(super) fn built_in(name: &str, check: &Check) -> Self {
        let mut this = Self::of(name, check);
        this.public = false;
        this.report.gates = false;
        this
    }

    /// Whether what it says is known.
    pub(super) fn is_known(&self) -> bool {
        self.report.last_run.is_some()
    }

    /// Notes how a run ended. Whether something follows from it that did not before.
    pub(super) fn note(&mut self, outcome: Result<()>, took: Duration) -> bool {
        let first = !self.is_known();
        let report = &mut self.report;
        (report.last_run, report.took) = (Some(SystemTime::now()), took);
        match &outcome {
            Ok(()) => {
                report.failures_in_a_row = 0;
                self.successes_in_a_row = self.successes_in_a_row.saturating_add(1);
            }
            Err(_) => {
                self.successes_in_a_row = 0;
                report.failures_in_a_row = report.failures_in_a_row.saturating_add(1);
            }
        }
        let healthy = match &outcome {
            // Nothing is known before it that would stand against it.
            outcome if first => outcome.is_ok(),
            Ok(()) => report.healthy || self.successes_in_a_row >= self.successes,
            Err(_) => report.healthy && report.failures_in_a_row < self.failures,
        };
        report.error = outcome.err().as_ref().map(Error::to_string);
        let changed = std::mem::replace(&mut report.healthy, healthy) != healthy;
        if changed {
            report.since = SystemTime::now();
        }
        changed || first
    }

    /// Why the service is not healthy, where that is because of this.
    pub(super) fn complaint(&self) -> Option<String> {
        let CheckReport { name, error, .. } = &self.report;
        (self.report.gates && !self.report.healthy).then(|| match error {
            Some(error) => format!("the check `{name}` fails: {error}"),
            None => format!("the check `{name}` failed, and has not succeeded often enough since"),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn record(failures: u32, successes: u32) -> Record {
        let check = Check::new(|| async { Ok(()) }).failures(failures).successes(successes);
        Record::of("database", &check)
    }

    fn run(record: &mut Record, fine: bool) -> bool {
        let outcome = if fine { Ok(()) } else { Err(Error::unavailable("gone")) };
        record.note(outcome, Duration::ZERO);
        record.report.healthy
    }

    #[test]
    fn it_takes_three_failures_to_be_unhealthy_and_two_successes_to_be_healthy_again() {
        let mut record = record(3, 2);
        let runs = [
            (true, true),
            (false, true),
            (false, true),
            (true, true),
            (false, true),
            (false, true),
            (false, false),
            (true, false),
            (false, false),
            (true, false),
            (true, true),
        ];
        for (at, (fine, healthy)) in runs.into_iter().enumerate() {
            assert_eq!(run(&mut record, fine), healthy, "run {at}");
        }
    }

    #[test]
    fn the_first_run_alone_decides_how_a_service_starts() {
        assert!(!run(&mut record(3, 2), false));
        assert!(run(&mut record(3, 2), true));
    }

    #[test]
    fn an_unhealthy_check_says_why() {
        let mut record = record(1, 2);
        run(&mut record, false);
        assert_eq!(record.complaint().unwrap(), "the check `database` fails: unavailable: gone");
        run(&mut record, true);
        assert!(record.complaint().unwrap().contains("not succeeded often enough"));
        run(&mut record, true);
        assert_eq!(record.complaint(), None);
    }

    proptest! {
        #[test]
        fn health_changes_only_after_so_many_results_in_a_row(
            results in proptest::collection::vec(any::<bool>(), 1..200), failures in 1..5_u32, successes in 1..5_u32,
        ) {
            let mut record = record(failures, successes);
            let mut healthy = run(&mut record, results[0]);
            for at in 1..results.len() {
                let now = run(&mut record, results[at]);
                if now != healthy {
                    let needed = if now { successes } else { failures } as usize;
                    let same = results[..=at].iter().rev().take_while(|fine| **fine == now).count();
                    prop_assert!(same >= needed);
                }
                healthy = now;
            }
        }
    }
}

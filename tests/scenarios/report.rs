//! What came out, as a table and in the words of a test runner.

use std::fmt;

use tokio::task::JoinError;

use crate::Scenario;

/// How a scenario ended that did not panic.
pub(crate) enum Outcome {
    /// What we did, in words.
    Ours(String),
    /// It could not run here, and why. In CI that is a failure.
    Skipped(String),
}

#[derive(Default)]
pub(crate) struct Report {
    rows: Vec<[String; 4]>,
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Report {
    pub(crate) fn add(&mut self, scenario: &Scenario, ended: Result<Outcome, JoinError>) {
        let (ours, verdict) = match ended {
            Ok(Outcome::Ours(ours)) => {
                self.passed += 1;
                (ours, "ok")
            }
            Ok(Outcome::Skipped(why)) if std::env::var_os("CI").is_none() => {
                self.skipped += 1;
                (format!("skipped: {why}"), "skipped")
            }
            Ok(Outcome::Skipped(why)) => {
                self.failed += 1;
                (format!("it may not be skipped where CI is set: {why}"), "FAILED")
            }
            Err(panicked) => {
                self.failed += 1;
                (text(panicked), "FAILED")
            }
        };
        println!("scenario {} ... {verdict}", scenario.name);
        let (row, name) = scenario.name.split_once('_').unwrap_or_default();
        let measured = if scenario.measured.is_empty() { "-" } else { scenario.measured };
        self.rows.push([row, &name.replace('_', " "), measured, &ours].map(str::to_owned));
    }

    pub(crate) fn is_ok(&self) -> bool {
        self.failed == 0
    }
}

fn text(panicked: JoinError) -> String {
    let Ok(panic) = panicked.try_into_panic() else { return "it was cancelled".to_owned() };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or("it panicked".to_owned(), |text| (*text).to_owned()),
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = ["", "Scenario", "go-micro v5.12, measured", "Ours"].map(str::to_owned);
        let width = |column: usize| {
            let rows = self.rows.iter().chain([&head]);
            rows.map(|row| row[column].chars().count()).max().unwrap_or_default()
        };
        let (first, second, third) = (width(0), width(1), width(2));
        writeln!(f)?;
        for [row, name, measured, ours] in [&head].into_iter().chain(&self.rows) {
            writeln!(f, "{row:first$}  {name:second$}  {measured:third$}  {ours}")?;
        }
        let Self { passed, failed, skipped, .. } = self;
        let verdict = if self.is_ok() { "ok" } else { "FAILED" };
        write!(
            f,
            "\ntest result: {verdict}. {passed} passed; {failed} failed; {skipped} ignored; 0 measured; 0 filtered out\n"
        )
    }
}

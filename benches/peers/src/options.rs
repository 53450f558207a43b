//! The command line.

use std::path::PathBuf;

use clap::Parser;
use load::Workload;

use crate::catalog::{self, Stack};

/// Measures stacks side by side, and writes a report.
#[derive(Debug, Parser)]
pub(crate) struct Options {
    /// How often each stack meets each workload; the results are the medians [default: 3; quick: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// The folder for the report. Each of the peers, the growth and the builds replaces what is there of its kind.
    #[arg(long, default_value = "report")]
    pub(crate) out: PathBuf,
    /// Less than three minutes: the workloads that the bars are about, each for a short time.
    #[arg(long)]
    pub(crate) quick: bool,
    /// These stacks alone, with commas between them.
    #[arg(long, value_delimiter = ',', value_parser = catalog::find)]
    pub(crate) only: Vec<&'static Stack>,
    /// These workloads alone, with commas between them, as `unary-0-64`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) workload: Vec<Workload>,
    /// How long calls are made before they count, in seconds [default: 0.5; quick: 0.2]
    #[arg(long)]
    pub(crate) warm_up: Option<f64>,
    /// How long calls are counted, in seconds [default: 2; quick: 0.6]
    #[arg(long)]
    pub(crate) measure: Option<f64>,
    /// Measures how cost grows with the work, instead of the peers.
    #[arg(long)]
    pub(crate) growth: bool,
    /// Measures build time, size and start of a hello-world, instead of the peers.
    #[arg(long)]
    pub(crate) build: bool,
    /// Takes the programs that are built already.
    #[arg(long)]
    pub(crate) no_build: bool,
    /// Measures nothing and writes the report again from the results that are there.
    #[arg(long)]
    pub(crate) render: bool,
    /// Prints the stacks and the workloads.
    #[arg(long)]
    pub(crate) list: bool,
}

impl Options {
    /// Whether the peers are to be measured.
    pub(crate) fn measures_peers(&self) -> bool {
        !(self.growth || self.build)
    }

    /// The stacks that are to be measured.
    pub(crate) fn stacks(&self) -> Vec<&'static Stack> {
        if self.only.is_empty() { catalog::STACKS.iter().collect() } else { self.only.clone() }
    }

    /// How often everything is measured.
    pub(crate) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    /// Warm-up and measured time of each run, in seconds.
    pub(crate) fn times(&self) -> (f64, f64) {
        let (warm_up, measure) = if self.quick { (0.2, 0.6) } else { (0.5, 2.0) };
        (self.warm_up.unwrap_or(warm_up), self.measure.unwrap_or(measure))
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Options::command().debug_assert();
    }

    #[test]
    fn stacks_and_workloads_are_chosen_by_name() {
        let options = Options::try_parse_from([
            "peers",
            "--only",
            "tonic,raw-tcp",
            "--workload",
            "unary-0-64,bidi-1k-8",
        ])
        .unwrap();
        assert_eq!(options.stacks().iter().map(|stack| stack.name).collect::<Vec<_>>(), ["tonic", "raw-tcp"]);
        assert_eq!(options.workload.len(), 2);
        let error = Options::try_parse_from(["peers", "--only", "tonik"]).unwrap_err().to_string();
        assert!(error.contains("`tonik` is not a stack"), "{error}");
    }
}

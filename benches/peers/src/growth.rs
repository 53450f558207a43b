//! How cost grows with the work: more calls at once, larger messages, more nodes, more methods.

use std::collections::BTreeMap;
use std::path::Path;

use load::{Kind, Outcome, Workload};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::catalog::{self, Stack};
use crate::options::Options;
use crate::programs::Programs;
use crate::rounds::probe;
use crate::run::run_variant;
use crate::statistics::Summary;

/// What was measured of all axes.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Growth {
    pub(crate) rounds: u32,
    pub(crate) axes: Vec<Measured>,
    /// Stacks that could not be run at all, and why.
    pub(crate) skipped: BTreeMap<String, String>,
}

/// One axis.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) axis: Axis,
    pub(crate) points: Vec<Point>,
}

/// One step of an axis, with one stack.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) stack: String,
    pub(crate) step: usize,
    pub(crate) summary: Option<Summary>,
    pub(crate) failures: Vec<String>,
}

/// What there is more and more of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Axis {
    /// Calls in flight.
    InFlight,
    /// Bytes in the payload of a message, each way.
    Size,
    /// Nodes that the client finds in its registry.
    Nodes,
    /// Methods of the service.
    Methods,
}

impl Axis {
    pub(crate) const ALL: [Self; 4] = [Self::InFlight, Self::Size, Self::Nodes, Self::Methods];

    /// What it is, for the report.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::InFlight => "calls in flight: unary, empty, one connection",
            Self::Size => "bytes each way: unary, 8 in flight, one connection",
            Self::Nodes => "nodes in the view, all of them the same server: unary, empty, 64 in flight",
            Self::Methods => "registered methods: unary, empty, 64 in flight, one connection",
        }
    }

    pub(crate) fn steps(self) -> &'static [usize] {
        match self {
            Self::InFlight => &[1, 4, 16, 64, 256, 1024, 4096],
            // The last one is just under 4 MiB, the default limit of all of them, with the name beside it.
            Self::Size => &[0, 64, 1 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4095 << 10],
            Self::Nodes | Self::Methods => &[1, 10, 100, 1000, 10_000],
        }
    }

    fn stacks(self) -> &'static [&'static str] {
        match self {
            Self::InFlight | Self::Size => &["micro-native", "micro-grpc", "tonic"],
            Self::Nodes | Self::Methods => &["micro-native", "micro-grpc"],
        }
    }

    fn workload(self, step: usize) -> Workload {
        match self {
            Self::InFlight => Workload::new(Kind::Unary, 0, step),
            Self::Size => Workload::new(Kind::Unary, step, 8),
            Self::Nodes | Self::Methods => Workload::new(Kind::Unary, 0, 64),
        }
    }

    /// What the program of this stack is told.
    fn variant(self, stack: &Stack, step: usize) -> String {
        match self {
            Self::InFlight | Self::Size => stack.variant.to_owned(),
            Self::Nodes => format!("{}+nodes={step}", stack.variant),
            Self::Methods => format!("{}+methods={step}", stack.variant),
        }
    }
}

/// Builds and measures, in rounds that are interleaved.
pub(crate) fn measure(options: &Options, home: &Path) -> Result<Growth> {
    let wanted = options.stacks();
    let mut stacks = Vec::new();
    for name in ["micro-native", "micro-grpc", "tonic"] {
        stacks.extend(catalog::find(name).ok().filter(|stack| wanted.contains(stack)));
    }
    let programs = Programs::prepare(&stacks, home, !options.no_build)?;
    let (running, skipped) = probe(&stacks, &programs);
    let mut growth = Growth { rounds: options.rounds(), axes: Vec::new(), skipped };
    for axis in Axis::ALL {
        let takes = |(stack, _): &&(&'static Stack, &Path)| axis.stacks().contains(&stack.name);
        let plan: Vec<_> = axis
            .steps()
            .iter()
            .flat_map(|step| running.iter().filter(takes).map(|(stack, program)| (*stack, *program, *step)))
            .collect();
        let mut rounds: Vec<(Vec<Outcome>, Vec<String>)> = plan.iter().map(|_| Default::default()).collect();
        for _ in 0..options.rounds() {
            for ((stack, program, step), (outcomes, failures)) in plan.iter().zip(&mut rounds) {
                let variant = axis.variant(stack, *step);
                match run_variant(stack, &variant, program, axis.workload(*step), options.times()) {
                    Ok(outcome) => outcomes.push(outcome),
                    Err(error) => {
                        eprintln!("{}, {axis:?} {step}: {error}", stack.name);
                        failures.push(error.to_string());
                    }
                }
            }
        }
        eprintln!("{} is measured", axis.title());
        let point = |((stack, _, step), (outcomes, failures)): (_, (Vec<Outcome>, _))| {
            let (stack, step): (&Stack, usize) = (stack, step);
            Point { stack: stack.name.to_owned(), step, summary: Summary::of(&outcomes), failures }
        };
        growth.axes.push(Measured { axis, points: plan.into_iter().zip(rounds).map(point).collect() });
    }
    Ok(growth)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_a_workload_that_has_a_name() {
        for axis in Axis::ALL {
            for step in axis.steps() {
                let workload = axis.workload(*step);
                assert_eq!(workload.to_string().parse(), Ok(workload));
            }
        }
    }

    #[test]
    fn nodes_and_methods_are_said_with_the_variant() {
        let stack = catalog::find("micro-grpc").unwrap();
        assert_eq!(Axis::Nodes.variant(stack, 10), "grpc+nodes=10");
        assert_eq!(Axis::InFlight.variant(stack, 10), "grpc");
    }
}

//! The rounds: in each one every stack meets every workload once, stack after stack, so that what else the
//! machine does meets all of them alike.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use load::{Kind, Workload};

use crate::Result;
use crate::catalog::Stack;
use crate::options::Options;
use crate::plan;
use crate::programs::Programs;
use crate::results::{Peers, Point};
use crate::run::run;
use crate::statistics::Summary;

/// Long enough to see that a stack works.
const PROBE: (f64, f64) = (0.02, 0.05);

/// Builds and measures.
pub(crate) fn measure(options: &Options, home: &Path) -> Result<Peers> {
    let stacks = options.stacks();
    let programs = Programs::prepare(&stacks, home, !options.no_build)?;
    let (running, skipped) = probe(&stacks, &programs);
    let workloads =
        if options.workload.is_empty() { plan::workloads(options.quick) } else { options.workload.clone() };
    let mut points: Vec<_> =
        pairs(&workloads, &running).map(|(workload, (stack, _))| Point::new(stack, workload)).collect();
    if points.is_empty() {
        return Err("there is nothing to measure: no stack that works takes any of the workloads".into());
    }
    let begun = Instant::now();
    for round in 1..=options.rounds() {
        for (point, (workload, (stack, program))) in points.iter_mut().zip(pairs(&workloads, &running)) {
            match run(stack, program, workload, options.times()) {
                Ok(outcome) => point.rounds.push(outcome),
                Err(error) => {
                    eprintln!("{}, {workload}: {error}", stack.name);
                    point.failures.push(error.to_string());
                }
            }
            point.summary = Summary::of(&point.rounds);
        }
        eprintln!("round {round} of {} is over, {} s so far", options.rounds(), begun.elapsed().as_secs());
    }
    Ok(Peers { rounds: options.rounds(), times: options.times(), points, skipped })
}

/// The workloads with all stacks that take them: what is compared is measured right after each other.
fn pairs<'a>(
    workloads: &'a [Workload],
    stacks: &'a [(&'static Stack, &'a Path)],
) -> impl Iterator<Item = (Workload, (&'static Stack, &'a Path))> {
    workloads.iter().flat_map(move |workload| {
        let takes = move |(stack, _): &&(&'static Stack, &'a Path)| stack.refuses(*workload).is_none();
        stacks.iter().filter(takes).map(move |stack| (*workload, *stack))
    })
}

/// The stacks that answer, and why the others do not.
pub(crate) fn probe<'a>(
    stacks: &[&'static Stack],
    programs: &'a Programs,
) -> (Vec<(&'static Stack, &'a Path)>, BTreeMap<String, String>) {
    let (mut running, mut skipped) = (Vec::new(), BTreeMap::new());
    for stack in stacks {
        let program = programs.path(stack);
        let answers = program.and_then(|program| {
            let outcome = run(stack, program, Workload::new(Kind::Unary, 0, 1), PROBE);
            outcome.map(|_| program).map_err(|error| error.to_string())
        });
        match answers {
            Ok(program) => running.push((*stack, program)),
            Err(reason) => {
                eprintln!("skipped: {}: {reason}", stack.name);
                skipped.insert(stack.name.to_owned(), reason);
            }
        }
    }
    (running, skipped)
}

impl Point {
    fn new(stack: &Stack, workload: Workload) -> Self {
        Self {
            stack: stack.name.to_owned(),
            workload,
            summary: None,
            rounds: Vec::new(),
            failures: Vec::new(),
        }
    }
}

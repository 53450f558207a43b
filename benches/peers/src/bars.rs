//! The bars: how far ahead of its peers micro is to be, and whether it is.

use std::fmt::Write as _;

use load::{Kind, Workload};
use serde::{Deserialize, Serialize};

use crate::results::Results;
use crate::statistics::Summary;

/// One bar: a figure of ours as a ratio to that of another stack, and what it has to be.
#[derive(Clone, Copy, Debug)]
struct Rule {
    what: &'static str,
    ours: &'static str,
    theirs: &'static str,
    workload: Workload,
    figure: Figure,
    bar: Bar,
}

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Figure {
    Rate,
    P50,
    Cpu,
    ServerMemory,
}

/// What the ratio has to be.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Bar {
    AtLeast(f64),
    AtMost(f64),
}

/// A bar with what was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Measured {
    /// The work, and who is compared with whom.
    pub(crate) what: String,
    /// What the ratio is, if both were measured.
    pub(crate) measured: Option<f64>,
    /// What it has to be.
    pub(crate) bar: String,
    /// Whether it is.
    pub(crate) met: Option<bool>,
}

const EMPTY_64: Workload = Workload::new(Kind::Unary, 0, 64);
const EMPTY_256: Workload = Workload::new(Kind::Unary, 0, 256);
const NATIVE: &str = "micro-native";
const GRPC: &str = "micro-grpc";

const fn rate(
    what: &'static str,
    ours: &'static str,
    theirs: &'static str,
    workload: Workload,
    least: f64,
) -> Rule {
    Rule { what, ours, theirs, workload, figure: Figure::Rate, bar: Bar::AtLeast(least) }
}

const fn at_most(
    what: &'static str,
    (ours, theirs): (&'static str, &'static str),
    workload: Workload,
    figure: Figure,
    most: f64,
) -> Rule {
    Rule { what, ours, theirs, workload, figure, bar: Bar::AtMost(most) }
}

const RULES: &[Rule] = &[
    rate("native unary, empty, 64 in flight", NATIVE, "tonic", EMPTY_64, 8.0),
    rate("the same, the goal", NATIVE, "tonic", EMPTY_64, 12.0),
    rate("native unary, empty, 64 in flight", NATIVE, "tarpc", EMPTY_64, 3.0),
    rate("native unary, empty, 64 in flight", NATIVE, "go-micro-rpc", EMPTY_64, 20.0),
    rate("native unary, empty, 256 in flight", NATIVE, "tonic", EMPTY_256, 8.0),
    rate("native unary, empty, 256 in flight", NATIVE, "tarpc", EMPTY_256, 3.0),
    rate("native unary, empty, 256 in flight", NATIVE, "go-micro-rpc", EMPTY_256, 20.0),
    rate("native unary, 1 KiB, 64 in flight", NATIVE, "tonic", Workload::new(Kind::Unary, 1 << 10, 64), 6.0),
    rate("native unary, 1 KiB, 64 in flight", NATIVE, "tarpc", Workload::new(Kind::Unary, 1 << 10, 64), 2.0),
    at_most(
        "native unary, empty, 1 in flight: p50",
        (NATIVE, "tonic"),
        Workload::new(Kind::Unary, 0, 1),
        Figure::P50,
        0.45,
    ),
    rate(
        "native server stream, 1 KiB messages",
        NATIVE,
        "tonic",
        Workload::new(Kind::ServerStream, 1 << 10, 8),
        1.8,
    ),
    rate(
        "native stream both ways, 1 KiB messages",
        NATIVE,
        "tonic",
        Workload::new(Kind::Bidi, 1 << 10, 8),
        2.0,
    ),
    rate("gRPC unary, empty, 64 in flight", GRPC, "tonic", EMPTY_64, 1.8),
    rate("gRPC unary, empty, 64 in flight", GRPC, "connectrpc-grpc", EMPTY_64, 1.8),
    rate(
        "gRPC with one runtime per core, 4 connections",
        "micro-grpc-per-core",
        "tonic",
        EMPTY_64.on(4),
        3.0,
    ),
    rate(
        "gRPC server stream, 1 KiB messages",
        GRPC,
        "tonic",
        Workload::new(Kind::ServerStream, 1 << 10, 8),
        1.3,
    ),
    rate("Connect JSON over HTTP/1.1, empty, 64 in flight", "micro-json-http1", "hyper-h1", EMPTY_64, 0.95),
    at_most("CPU per native call, empty, 64 in flight", (NATIVE, "raw-tcp"), EMPTY_64, Figure::Cpu, 6.0),
    rate(
        "native unary, 64 KiB, 64 in flight",
        NATIVE,
        "volo-thrift",
        Workload::new(Kind::Unary, 64 << 10, 64),
        1.0,
    ),
    at_most(
        "memory of the server per idle native connection",
        (NATIVE, "tonic"),
        Workload::new(Kind::IdleConnections, 0, 1000),
        Figure::ServerMemory,
        1.0,
    ),
    at_most(
        "memory of the server per idle gRPC connection",
        (GRPC, "tonic"),
        Workload::new(Kind::IdleConnections, 0, 1000),
        Figure::ServerMemory,
        1.0,
    ),
    at_most(
        "memory of the server per open native stream",
        (NATIVE, "tonic"),
        Workload::new(Kind::OpenStreams, 0, 1000),
        Figure::ServerMemory,
        1.0,
    ),
    at_most(
        "memory of the server per open gRPC stream",
        (GRPC, "tonic"),
        Workload::new(Kind::OpenStreams, 0, 1000),
        Figure::ServerMemory,
        1.0,
    ),
];

/// All bars with what these results say of them.
pub(crate) fn compute(results: &Results) -> Vec<Measured> {
    RULES.iter().map(|rule| rule.measure(|stack| results.summary(stack, rule.workload).copied())).collect()
}

/// The bars as a table in Markdown.
pub(crate) fn table(bars: &[Measured]) -> String {
    let mut table = "| Work | Bar | Measured | Met |\n|---|---|--:|---|\n".to_owned();
    for Measured { what, measured, bar, met } in bars {
        let measured = measured.map_or_else(|| "not measured".to_owned(), |ratio| format!("{ratio:.2}"));
        let met = met.map_or("", |met| if met { "yes" } else { "**no**" });
        // Writing to a string does not fail.
        let _ = writeln!(table, "| {what} | {bar} | {measured} | {met} |");
    }
    table
}

impl Rule {
    fn measure(&self, summary: impl Fn(&str) -> Option<Summary>) -> Measured {
        let figure = |stack: &str| self.figure.of(&summary(stack)?);
        let ratio = |ours: f64, theirs: f64| (theirs > 0.0).then(|| ours / theirs);
        let measured =
            figure(self.ours).zip(figure(self.theirs)).and_then(|(ours, theirs)| ratio(ours, theirs));
        Measured {
            what: format!("{} (`{}`): {} against {}", self.what, self.workload, self.ours, self.theirs),
            measured,
            bar: match self.bar {
                Bar::AtLeast(least) => format!("at least {least}"),
                Bar::AtMost(most) => format!("at most {most}"),
            },
            met: measured.map(|ratio| match self.bar {
                Bar::AtLeast(least) => ratio >= least,
                Bar::AtMost(most) => ratio <= most,
            }),
        }
    }
}

impl Figure {
    fn of(self, summary: &Summary) -> Option<f64> {
        match self {
            Self::Rate => Some(summary.rate),
            Self::P50 => summary.p50,
            Self::Cpu => summary.cpu(),
            Self::ServerMemory => summary.server_held,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog;
    use crate::plan;

    #[test]
    fn every_bar_is_about_stacks_and_workloads_that_there_are() {
        let workloads = plan::workloads(false);
        for rule in RULES {
            assert!(workloads.contains(&rule.workload), "{}", rule.workload);
            for stack in [rule.ours, rule.theirs] {
                let stack = catalog::find(stack).unwrap();
                assert_eq!(stack.refuses(rule.workload), None, "{}", stack.name);
            }
        }
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let bars = compute(&Results::default());
        assert!(bars.iter().all(|bar| bar.met.is_none() && bar.measured.is_none()));
        assert!(table(&bars).contains("| not measured |  |"));
    }

    #[test]
    fn a_ratio_is_held_against_its_bar() {
        let of = |rate: f64, p50: f64| Summary { rate, p50: Some(p50), ..Summary::default() };
        let summary = |stack: &str| Some(if stack == NATIVE { of(900.0, 10.0) } else { of(100.0, 20.0) });
        let bars: Vec<_> = RULES.iter().map(|rule| rule.measure(summary)).collect();
        assert_eq!((bars[0].measured, bars[0].met), (Some(9.0), Some(true)));
        assert_eq!((bars[1].measured, bars[1].met), (Some(9.0), Some(false)), "the goal is higher");
        let p50 = bars.iter().find(|bar| bar.what.contains("p50")).unwrap();
        assert_eq!((p50.measured, p50.met), (Some(0.5), Some(false)), "less is better");
        assert!(table(&bars).contains("**no**"));
    }

    #[test]
    fn a_peer_that_did_nothing_is_no_measure() {
        let summary = |_: &str| Some(Summary::default());
        assert_eq!(RULES[0].measure(summary).measured, None);
    }
}

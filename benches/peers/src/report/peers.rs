//! The tables of the side-by-side runs.

use std::fmt::{Result, Write as _};

use load::{Kind, Workload};

use super::figures::{kibibytes, mebibytes, perhaps, short, whole};
use crate::catalog;
use crate::results::Peers;
use crate::statistics::{Summary, median};

/// What all others are held against.
const MEASURE: &str = "tonic";

pub(super) fn write(text: &mut String, peers: &Peers) -> Result {
    stacks(text, peers)?;
    let mut workloads: Vec<_> = peers.points.iter().map(|point| point.workload).collect();
    workloads.dedup();
    writeln!(text, "\n## Tables\n")?;
    writeln!(
        text,
        "Each run is {} s long, after {} s of warm-up. In a round every stack has its turn, and the figures are medians over \
         the rounds, of which there are {}. CPU is processor time in milliseconds for 1,000 calls, which is microseconds for \
         each. Peak is the most memory that a process had. Every stack has {} worker threads on either side.",
        peers.times.1,
        peers.times.0,
        peers.rounds,
        load::THREADS
    )?;
    spread(text, peers)?;
    for workload in workloads {
        if workload.kind.is_held() {
            held(text, peers, workload)?;
        } else {
            calls(text, peers, workload)?;
        }
    }
    failures(text, peers)
}

fn stacks(text: &mut String, peers: &Peers) -> Result {
    writeln!(text, "\n## Stacks\n\n| Stack | What it is |\n|---|---|")?;
    for stack in catalog::STACKS {
        if peers.points.iter().any(|point| point.stack == stack.name) {
            writeln!(text, "| {} | {} |", stack.name, stack.about)?;
        }
        if let Some(reason) = peers.skipped.get(stack.name) {
            writeln!(text, "| {} | **skipped**: {} |", stack.name, reason.replace('|', "\\|"))?;
        }
    }
    Ok(())
}

/// The stacks that were measured with this workload, the fastest one first.
pub(super) fn ranked(peers: &Peers, workload: Workload) -> Vec<(&str, &Summary)> {
    let mut ranked: Vec<_> = peers
        .points
        .iter()
        .filter(|point| point.workload == workload)
        .filter_map(|point| Some((point.stack.as_str(), point.summary.as_ref()?)))
        .collect();
    ranked.sort_by(|(_, one), (_, other)| other.rate.total_cmp(&one.rate));
    ranked
}

fn calls(text: &mut String, peers: &Peers, workload: Workload) -> Result {
    writeln!(text, "\n### {}: {}\n", workload, title(workload))?;
    let unit = if workload.kind.is_streaming() { "messages" } else { "calls" };
    writeln!(
        text,
        "| Stack | {unit}/s | to {MEASURE} | p50 µs | p99 µs | p99.9 µs | CPU server | CPU client | peak server \
         MiB | peak client MiB | connections |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|"
    )?;
    let measure = peers.summary(MEASURE, workload);
    for (stack, summary) in ranked(peers, workload) {
        let ratio = measure.filter(|measure| measure.rate > 0.0).map(|measure| summary.rate / measure.rate);
        writeln!(
            text,
            "| {stack} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            whole(summary.rate),
            ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{}×", short(ratio))),
            perhaps(summary.p50),
            perhaps(summary.p99),
            perhaps(summary.p999),
            perhaps(summary.server_cpu),
            perhaps(summary.client_cpu),
            mebibytes(summary.server_peak),
            mebibytes(summary.client_peak),
            summary.connections.map_or_else(|| "–".to_owned(), whole),
        )?;
    }
    Ok(())
}

fn held(text: &mut String, peers: &Peers, workload: Workload) -> Result {
    writeln!(text, "\n### {}: {}\n", workload, title(workload))?;
    writeln!(text, "| Stack | server KiB each | client KiB each |\n|---|--:|--:|")?;
    for (stack, summary) in ranked(peers, workload) {
        writeln!(
            text,
            "| {stack} | {} | {} |",
            kibibytes(summary.server_held),
            kibibytes(summary.client_held)
        )?;
    }
    Ok(())
}

fn title(workload: Workload) -> String {
    let Workload { kind, size, in_flight, connections } = workload;
    let on =
        if connections == 1 { "one connection".to_owned() } else { format!("{connections} connections") };
    match kind {
        Kind::Unary => format!("{} bytes each way, {in_flight} in flight, {on}", whole(size as f64)),
        Kind::ServerStream => {
            format!("messages of {} bytes from the server, {in_flight} streams", whole(size as f64))
        }
        Kind::Bidi => format!(
            "messages of {} bytes both ways, {in_flight} streams with {} under way on each",
            whole(size as f64),
            Kind::WINDOW
        ),
        Kind::IdleConnections => format!("memory of {in_flight} connections that were used once"),
        Kind::OpenStreams => format!("memory of {in_flight} streams that are open, on one connection"),
    }
}

/// How far the rounds are apart, which says how much a difference means.
fn spread(text: &mut String, peers: &Peers) -> Result {
    let spreads: Vec<_> = peers
        .points
        .iter()
        .filter(|point| point.rounds.len() > 1)
        .filter_map(|point| Some(point.summary?.spread))
        .collect();
    match median(spreads) {
        Some(spread) => writeln!(
            text,
            "\nBetween the slowest and the fastest round of a stack and a workload there are {:.0} % of the rate, as a \
             median over all of them.",
            spread * 100.0
        ),
        None => Ok(()),
    }
}

fn failures(text: &mut String, peers: &Peers) -> Result {
    let failed: Vec<_> = peers.points.iter().filter(|point| !point.failures.is_empty()).collect();
    if failed.is_empty() {
        return Ok(());
    }
    writeln!(text, "\n### What failed\n")?;
    for point in failed {
        let reason = point.failures.last().map_or("", String::as_str);
        writeln!(
            text,
            "- {}, {}, in {} of the rounds: {reason}",
            point.stack,
            point.workload,
            point.failures.len()
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::Point;

    #[test]
    fn the_fastest_stack_comes_first_and_ratios_are_to_tonic() {
        let workload = Workload::new(Kind::Unary, 1024, 64);
        let point = |stack: &str, rate| Point {
            stack: stack.to_owned(),
            workload,
            summary: Some(Summary { rate, p50: Some(12.3), ..Summary::default() }),
            rounds: Vec::new(),
            failures: vec!["it broke".to_owned()],
        };
        let peers = Peers {
            points: vec![point("tonic", 1000.0), point("raw-tcp", 2500.0)],
            skipped: [("micro-native".to_owned(), "not yet | known".to_owned())].into(),
            ..Peers::default()
        };
        let mut text = String::new();
        write(&mut text, &peers).unwrap();
        let fast = text.find("| raw-tcp | 2,500 | 2.50× | 12.3 |").unwrap();
        assert!(fast < text.find("| tonic | 1,000 | 1.00× |").unwrap(), "{text}");
        assert!(text.contains("| micro-native | **skipped**: not yet \\| known |"), "{text}");
        assert!(text.contains("in 1 of the rounds: it broke"), "{text}");
    }
}

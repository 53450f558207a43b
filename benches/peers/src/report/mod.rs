//! The report: text with tables, and a plot.

mod figures;
mod growth;
mod hello;
mod peers;
mod plot;

use std::fmt::Write as _;
use std::path::Path;

use crate::Result;
use crate::bars;
use crate::results::{Results, write as write_file};

/// The plot, beside the text.
const PLOT: &str = "throughput.svg";

/// Writes all files of the report into that folder.
pub(crate) fn write(folder: &Path, results: &Results) -> Result<()> {
    if let Some(peers) = &results.peers {
        write_file(&folder.join(PLOT), &plot::draw(peers)?)?;
    }
    write_file(&folder.join("report.md"), &text(results)?)
}

fn text(results: &Results) -> Result<String, std::fmt::Error> {
    let mut text = String::new();
    writeln!(text, "# micro beside its peers\n")?;
    machine(&mut text, results)?;
    if let Some(peers) = &results.peers {
        writeln!(text, "\n![calls per second of each stack]({PLOT})")?;
        writeln!(text, "\n## Bars\n")?;
        writeln!(text, "Each is a ratio of medians of this run.\n")?;
        text.push_str(&bars::table(&results.bars));
        peers::write(&mut text, peers)?;
    }
    if let Some(growth) = &results.growth {
        growth::write(&mut text, growth)?;
    }
    if let Some(programs) = &results.hello {
        hello::write(&mut text, programs)?;
    }
    Ok(text)
}

fn machine(text: &mut String, results: &Results) -> std::fmt::Result {
    let machine = &results.machine;
    write!(
        text,
        "{} with {} cores and {} GiB, {}, {}",
        machine.processor, machine.cores, machine.memory_gib, machine.kernel, machine.rustc
    )?;
    if let Some(go) = &machine.go {
        write!(text, ", {go}")?;
    }
    writeln!(text, ".")?;
    if let Some(load) = machine.load.filter(|load| *load > 0.5) {
        writeln!(text, "Other work was under way when it began (load {load:.1}): read ratios, not rates.")?;
    }
    let versions: Vec<_> =
        results.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    writeln!(text, "\nVersions: {}.", versions.join(", "))
}

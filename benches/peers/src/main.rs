//! The side-by-side benchmark: runs every stack against the same workloads, in rounds that are interleaved, and
//! writes a report.
//!
//! ```console
//! $ cargo run --release -p peers -- --rounds 3 --out report/
//! ```
//!
//! The stacks are programs of their own, a server and a client in a process each; see the crate `load` for what
//! they share. This program builds them, starts them one after the other, and makes tables of what they say.

mod bars;
mod catalog;
mod go_code;
mod growth;
mod hello;
mod machine;
mod options;
mod plan;
mod programs;
mod report;
mod results;
mod rounds;
mod run;
mod statistics;
mod versions;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser as _;

use options::Options;
use results::Results;

/// What goes wrong ends the program, so all that matters is what it says.
type Error = Box<dyn std::error::Error + Send + Sync>;

type Result<T, E = Error> = std::result::Result<T, E>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("peers: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    if options.list {
        print!("{}", catalog::list());
        return Ok(());
    }
    let file = options.out.join("results.json");
    let mut results = Results::read(&file)?.unwrap_or_default();
    if !options.render {
        results.machine = machine::describe();
        results.versions = versions::read(&home())?;
        if options.measures_peers() {
            results.peers = Some(rounds::measure(options, &home())?);
        }
        if options.growth {
            results.growth = Some(growth::measure(options, &home())?);
        }
        if options.build {
            results.hello = Some(hello::measure(&home())?);
        }
    }
    results.bars = bars::compute(&results);
    results.write(&file)?;
    report::write(&options.out, &results)?;
    if options.measures_peers() {
        print!("{}", bars::table(&results.bars));
    }
    println!("the report is {}", options.out.join("report.md").display());
    Ok(())
}

/// The folder of this workspace.
fn home() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

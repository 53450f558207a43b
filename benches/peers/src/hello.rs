//! What the smallest program takes: to build it, to keep it, and to start it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::Result;
use crate::statistics::median;

/// The programs, each in a folder of that name.
const PROGRAMS: [&str; 3] = ["micro", "tonic", "connectrpc"];

/// How often each is started.
const STARTS: u32 = 20;

/// One program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) name: String,
    /// As `cargo build` builds it.
    pub(crate) debug: Built,
    /// As `cargo build --release` builds it.
    pub(crate) release: Built,
    /// The size of the program, in bytes: with `--release`, and after `strip`, where that is there.
    pub(crate) size: u64,
    pub(crate) stripped: Option<u64>,
    /// From the start of the process until the answer to its first call is printed, in milliseconds.
    pub(crate) first_answer: f64,
}

/// One build from nothing.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Built {
    /// The time it takes.
    pub(crate) seconds: f64,
    /// How many crates are compiled.
    pub(crate) crates: usize,
}

/// Builds all of them from nothing, one after the other, and starts them.
pub(crate) fn measure(home: &Path) -> Result<Vec<Hello>> {
    let folder = std::env::current_exe()?.parent().ok_or("this program is in no folder")?.join("hello");
    let measured = PROGRAMS.iter().map(|name| hello(name, &home.join("hello").join(name), &folder)).collect();
    remove(&folder)?;
    measured
}

fn hello(name: &str, source: &Path, folder: &Path) -> Result<Hello> {
    let cargo = |arguments: &[&str]| {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(source).args(arguments);
        command
    };
    // What is downloaded is no part of the build.
    output_of(&mut cargo(&["fetch"]))?;
    let build = |arguments: &[&str]| -> Result<Built> {
        remove(folder)?;
        let begun = Instant::now();
        let said = output_of(cargo(arguments).arg("--offline").arg("--target-dir").arg(folder))?;
        Ok(Built { seconds: begun.elapsed().as_secs_f64(), crates: compiled(&said) })
    };
    let debug = build(&["build"])?;
    let release = build(&["build", "--release"])?;
    let program = folder.join("release").join(format!("hello-{name}"));
    eprintln!("hello-{name} is built: {:.0} s, {:.0} s with --release", debug.seconds, release.seconds);
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        starts.push(first_answer(&program)?);
    }
    Ok(Hello {
        name: name.to_owned(),
        debug,
        release,
        size: fs::metadata(&program)?.len(),
        stripped: stripped(&program),
        first_answer: median(starts).unwrap_or(f64::NAN),
    })
}

fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("{} cannot be removed: {error}", folder.display()).into())
        }
        _ => Ok(()),
    }
}

/// What cargo says while it builds.
fn output_of(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| format!("cargo cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(format!(
        "a hello-world was not built: {}",
        said.lines().next_back().unwrap_or("cargo does not say why")
    )
    .into())
}

fn compiled(said: &str) -> usize {
    said.lines().filter(|line| line.trim_start().starts_with("Compiling ")).count()
}

/// Milliseconds.
fn first_answer(program: &Path) -> Result<f64> {
    let begun = Instant::now();
    let mut process = Command::new(program).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    if let Some(stdout) = process.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    let took = begun.elapsed();
    process.wait()?;
    if line.trim() != "Hello, Ada!" {
        return Err(format!("{} prints `{}`", program.display(), line.trim()).into());
    }
    Ok(took.as_secs_f64() * 1000.0)
}

/// Nothing where there is no `strip`.
fn stripped(program: &Path) -> Option<u64> {
    let copy: PathBuf = program.with_extension("stripped");
    let done = Command::new("strip").arg("-o").arg(&copy).arg(program).status().ok()?;
    done.success().then(|| fs::metadata(&copy).ok())?.map(|file| file.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_are_counted_by_what_cargo_says() {
        let said =
            "   Compiling libc v0.2.0\n  Downloaded x v1\n   Compiling hello v0.1.0 (x)\n    Finished dev\n";
        assert_eq!(compiled(said), 2);
    }
}

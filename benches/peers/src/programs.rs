//! Where the programs of the stacks are, and building them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;
use crate::catalog::{Program, Stack};
use crate::go_code;

/// The programs that could be built, and why the others could not.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    found: BTreeMap<&'static str, PathBuf>,
    missing: BTreeMap<&'static str, String>,
}

impl Programs {
    /// Builds what these stacks need, unless it is built already.
    pub(crate) fn prepare(stacks: &[&'static Stack], home: &Path, build: bool) -> Result<Self> {
        let mut programs = Self::default();
        let folder = std::env::current_exe()?
            .parent()
            .map(Path::to_owned)
            .ok_or("this program is in no folder, and the others would be beside it")?;
        let rust: BTreeSet<_> = stacks
            .iter()
            .filter_map(|stack| match stack.program {
                Program::Rust(program) => Some(program),
                Program::Go(_) => None,
            })
            .collect();
        if build && !rust.is_empty() {
            cargo_build(&rust, home)?;
        }
        let go: BTreeSet<_> = stacks
            .iter()
            .filter_map(|stack| match stack.program {
                Program::Go(program) => Some(program),
                Program::Rust(_) => None,
            })
            .collect();
        if !go.is_empty() {
            // Go may not be there, and that is no reason to measure nothing.
            match if build { go_build(&go, home, &folder) } else { Ok(()) } {
                Ok(()) => {
                    programs.found.extend(go.into_iter().map(|program| (program, folder.join(program))))
                }
                Err(error) => {
                    programs.missing.extend(go.into_iter().map(|program| (program, error.to_string())))
                }
            }
        }
        for program in rust {
            programs.found.insert(program, folder.join(program));
        }
        Ok(programs)
    }

    /// Where the program of this stack is, or why it is nowhere.
    pub(crate) fn path(&self, stack: &Stack) -> Result<&Path, String> {
        let (Program::Rust(name) | Program::Go(name)) = stack.program;
        match (self.found.get(name), self.missing.get(name)) {
            (Some(path), _) => Ok(path),
            (None, Some(reason)) => Err(reason.clone()),
            (None, None) => Err("it was not built".to_owned()),
        }
    }
}

/// All with one call of cargo, so that what they share is built once.
fn cargo_build(programs: &BTreeSet<&str>, home: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(home).args(["build", "--release", "--workspace"]);
    for program in programs {
        command.args(["--bin", program]);
    }
    let built = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !built.success() {
        return Err("the stacks were not built; cargo says why above. `--only` leaves stacks out".into());
    }
    Ok(())
}

/// Makes the messages, and builds.
fn go_build(programs: &BTreeSet<&str>, home: &Path, folder: &Path) -> Result<()> {
    let module = home.join("go");
    go_code::generate(home, &module, folder)?;
    let mut command = Command::new("go");
    command.current_dir(&module).args(["build", "-mod=readonly", "-trimpath", "-o"]).arg(folder);
    command.args(programs.iter().map(|program| format!("./{program}")));
    run(&mut command)
}

/// Runs a command of Go to its end.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let output =
        command.output().map_err(|error| format!("Go, which builds it, cannot be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("Go does not build it: {}", said.lines().next_back().unwrap_or("it does not say why")).into())
}

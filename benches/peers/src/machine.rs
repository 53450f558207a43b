//! What the machine is.

use std::fs;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// The machine that was measured on, as the report names it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: String,
    pub(crate) cores: usize,
    pub(crate) memory_gib: u64,
    pub(crate) kernel: String,
    pub(crate) rustc: String,
    pub(crate) go: Option<String>,
    pub(crate) load: Option<f64>,
}

/// This machine.
pub(crate) fn describe() -> Machine {
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    let (processors, memory) = (read("/proc/cpuinfo"), read("/proc/meminfo"));
    let kilobytes =
        field(&memory, "MemTotal").and_then(|total| total.split_whitespace().next()?.parse().ok());
    Machine {
        processor: field(&processors, "model name").unwrap_or("unknown").to_owned(),
        cores: std::thread::available_parallelism().map_or(0, usize::from),
        memory_gib: kilobytes.map_or(0, |kilobytes: u64| kilobytes.div_ceil(1 << 20)),
        kernel: said("uname", &["-sr"]).unwrap_or_else(|| "unknown".to_owned()),
        rustc: said("rustc", &["--version"]).unwrap_or_else(|| "unknown".to_owned()),
        go: said("go", &["env", "GOVERSION"]),
        load: read("/proc/loadavg").split(' ').next().and_then(|load| load.parse().ok()),
    }
}

/// The value behind this name in a file of `/proc`.
fn field<'a>(file: &'a str, name: &str) -> Option<&'a str> {
    file.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name).then_some(value.trim())
    })
}

/// What a program prints, if it is there.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    let said = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!said.is_empty()).then_some(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_their_names() {
        let file = "processor\t: 0\nmodel name\t: Fast One\nmodel name\t: Fast Two\n";
        assert_eq!(field(file, "model name"), Some("Fast One"));
        assert_eq!(field(file, "model"), None);
    }
}

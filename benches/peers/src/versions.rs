//! The versions of the peers, as the lock files have them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::Result;

/// Crates that are named in the report.
const CRATES: [&str; 11] = [
    "axum",
    "connectrpc",
    "h2",
    "hyper",
    "prost",
    "tarpc",
    "tokio",
    "tonic",
    "volo",
    "volo-grpc",
    "volo-thrift",
];

/// Go modules that are named in the report.
const MODULES: [&str; 2] = ["go-micro.dev/v5", "google.golang.org/grpc"];

/// The version of each peer, and of what the stacks are built on.
pub(crate) fn read(home: &Path) -> Result<BTreeMap<String, String>> {
    let lock = fs::read_to_string(home.join("Cargo.lock"))
        .map_err(|error| format!("Cargo.lock, which has the versions, cannot be read: {error}"))?;
    let mut versions = of_lock(&lock);
    // Without it there are no peers in Go either.
    versions.extend(of_module(&fs::read_to_string(home.join("go/go.mod")).unwrap_or_default()));
    Ok(versions)
}

fn of_lock(lock: &str) -> BTreeMap<String, String> {
    let mut versions = BTreeMap::new();
    let mut name = "";
    for line in lock.lines() {
        if let Some(found) = quoted(line, "name = ") {
            name = found;
        } else if let Some(version) = quoted(line, "version = ")
            && CRATES.contains(&name)
        {
            versions.insert(name.to_owned(), version.to_owned());
        }
    }
    versions
}

fn quoted<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.strip_prefix(key)?.strip_prefix('"')?.strip_suffix('"')
}

fn of_module(module: &str) -> BTreeMap<String, String> {
    let version = |line: &str| {
        let (name, version) = line.trim().trim_start_matches("require ").split_once(' ')?;
        let version = version.split_whitespace().next()?.trim_start_matches('v');
        MODULES.contains(&name).then(|| (name.to_owned(), version.to_owned()))
    };
    module.lines().filter_map(version).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_from_the_lock_files() {
        let lock = "[[package]]\nname = \"tonic\"\nversion = \"0.14.9\"\n\n[[package]]\nname = \"other\"\nversion = \"1.0.0\"\n";
        assert_eq!(of_lock(lock).into_iter().collect::<Vec<_>>(), [("tonic".into(), "0.14.9".into())]);
        let module =
            "module x\n\nrequire (\n\tgo-micro.dev/v5 v5.12.0\n\tother.org/x v1.0.0 // indirect\n)\n";
        assert_eq!(
            of_module(module).into_iter().collect::<Vec<_>>(),
            [("go-micro.dev/v5".into(), "5.12.0".into())]
        );
    }
}

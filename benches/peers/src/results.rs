//! What was measured, as it is kept in `results.json`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use load::{Outcome, Workload};
use serde::{Deserialize, Serialize};

use crate::Result;
use crate::bars::Measured;
use crate::growth::Growth;
use crate::hello::Hello;
use crate::machine::Machine;
use crate::statistics::Summary;

/// Everything that the report is made of.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Results {
    pub(crate) machine: Machine,
    /// The version of each peer, and of what the stacks are built on.
    pub(crate) versions: BTreeMap<String, String>,
    /// What the runs say of the bars.
    #[serde(default)]
    pub(crate) bars: Vec<Measured>,
    pub(crate) peers: Option<Peers>,
    pub(crate) growth: Option<Growth>,
    pub(crate) hello: Option<Vec<Hello>>,
}

/// The side-by-side runs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Peers {
    pub(crate) rounds: u32,
    /// Warm-up and measured time of each run, in seconds.
    pub(crate) times: (f64, f64),
    pub(crate) points: Vec<Point>,
    /// Stacks that could not be run at all, and why.
    pub(crate) skipped: BTreeMap<String, String>,
}

/// One stack and one workload.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Point {
    pub(crate) stack: String,
    pub(crate) workload: Workload,
    pub(crate) summary: Option<Summary>,
    pub(crate) rounds: Vec<Outcome>,
    /// Why rounds are missing.
    pub(crate) failures: Vec<String>,
}

impl Results {
    /// What is in the file, if there is one.
    pub(crate) fn read(file: &Path) -> Result<Option<Self>> {
        let text = match fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(format!("{} cannot be read: {error}", file.display()).into()),
        };
        Ok(Some(serde_json::from_str(&text).map_err(|error| {
            format!("{} is not what this version writes: {error}; remove it", file.display())
        })?))
    }

    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        write(file, &serde_json::to_string_pretty(self)?)
    }

    /// The medians of this stack and workload, where both met.
    pub(crate) fn summary(&self, stack: &str, workload: Workload) -> Option<&Summary> {
        self.peers.as_ref()?.summary(stack, workload)
    }
}

impl Peers {
    /// The medians of this stack and workload, where both met.
    pub(crate) fn summary(&self, stack: &str, workload: Workload) -> Option<&Summary> {
        let point = self.points.iter().find(|point| point.stack == stack && point.workload == workload)?;
        point.summary.as_ref()
    }
}

/// Writes a file of the report, and the folder that it is in.
pub(crate) fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .map_err(|error| format!("the folder {} cannot be made: {error}", folder.display()))?;
    }
    Ok(fs::write(file, text).map_err(|error| format!("{} cannot be written: {error}", file.display()))?)
}

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::Result;

/// What the suite's own files say of test cases and their names do not.
pub(crate) struct Suites(HashMap<String, Suite>);

/// One file. Where only one value of a feature is relevant, names leave it out.
#[derive(Default)]
pub(crate) struct Suite {
    relevant: HashMap<String, Vec<String>>,
    pub(crate) needs_tls: bool,
    pub(crate) needs_certificates: bool,
    pub(crate) needs_get: bool,
    shapes: HashMap<String, String>,
}

impl Suites {
    /// Reads all files of this folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let unreadable = |error| format!("`{}`: {error}", folder.display());
        let mut suites = HashMap::new();
        for file in fs::read_dir(folder).map_err(unreadable)? {
            let text = fs::read_to_string(file.map_err(unreadable)?.path()).map_err(unreadable)?;
            let (name, suite) = Suite::read(&text);
            suites.insert(name, suite);
        }
        Ok(Self(suites))
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Suite> {
        self.0.get(name).ok_or_else(|| format!("the suite has no file with `name: {name}`"))
    }
}

impl Suite {
    /// The lines that matter are all of the simplest form that YAML has.
    fn read(text: &str) -> (String, Self) {
        let (mut name, mut suite) = (String::new(), Self::default());
        let (mut list, mut case) = (String::new(), String::new());
        for line in text.lines() {
            if let Some(item) = line.strip_prefix("  - ").filter(|_| !list.is_empty()) {
                suite.relevant.entry(list.clone()).or_default().push(item.to_owned());
                continue;
            }
            let Some((key, value)) = line.split_once(':') else { continue };
            let value = value.trim();
            if !line.starts_with([' ', '#', '-']) {
                list = if value.is_empty() && key != "testCases" { key.to_owned() } else { String::new() };
            }
            match key.trim_start_matches([' ', '-']) {
                "name" if key == "name" => name = value.to_owned(),
                "reliesOnTls" => suite.needs_tls = true,
                "reliesOnTlsClientCerts" => suite.needs_certificates = true,
                "reliesOnConnectGet" | "relies_on_connect_get" => suite.needs_get = true,
                "testName" => case = value.to_owned(),
                "streamType" => drop(suite.shapes.insert(case.clone(), value.to_owned())),
                _ => {}
            }
        }
        (name, suite)
    }

    /// The one value that is relevant of a feature.
    pub(crate) fn only(&self, feature: &str) -> Result<&str> {
        match self.relevant.get(feature).map(Vec::as_slice) {
            Some([only]) => Ok(only),
            other => Err(format!("`{feature}` is {other:?}, where one value is due")),
        }
    }

    /// The stream type of a test case.
    pub(crate) fn shape(&self, case: &str) -> Result<&str> {
        self.shapes.get(case).map(String::as_str).ok_or_else(|| format!("`{case}` has no `streamType`"))
    }
}

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Result;
use crate::case::{Case, ENCODINGS, SHAPES};
use crate::suites::Suites;

/// How many cases passed of how many.
#[derive(Clone, Copy, Default)]
struct Count {
    passed: usize,
    all: usize,
}

/// The cases of one run.
pub(crate) struct Table(BTreeMap<Case, Count>);

impl Table {
    /// Counts what a run of the suite with `--vv` logged: the names of all cases, and in the end of
    /// those that failed.
    pub(crate) fn of(log: &str, suites: &Suites) -> Result<Self> {
        let mut table = Self(BTreeMap::new());
        let inside = |line, start: &str, end: &str| {
            let line: &str = line;
            line.strip_prefix(start)?.strip_suffix(end).map(str::to_owned)
        };
        for name in log.lines().filter_map(|line| inside(line, "Sending request for \"", "\"...")) {
            let count = table.0.entry(Case::of(&name, suites)?).or_default();
            *count = Count { passed: count.passed + 1, all: count.all + 1 };
        }
        for name in log.lines().filter_map(|line| inside(line, "FAILED: ", ":")) {
            if let Some(count) = table.0.get_mut(&Case::of(&name, suites)?) {
                count.passed = count.passed.saturating_sub(1);
            }
        }
        // What the suite itself counts must be the same.
        let Count { passed, all } = table.count(|_| true);
        let total = format!("Total cases: {all}\n{passed} passed, ");
        if all == 0 || !log.contains(&total) || log.contains("could not be run") {
            return Err(format!(
                "a log with {passed} of {all} cases passed, and another sum at its end, or none"
            ));
        }
        Ok(table)
    }

    fn count(&self, of: impl Fn(&Case) -> bool) -> Count {
        let counts = self.0.iter().filter(|(case, _)| of(case)).map(|(_, count)| count);
        counts.fold(Count::default(), |sum, count| Count {
            passed: sum.passed + count.passed,
            all: sum.all + count.all,
        })
    }

    /// The same cases, whose calls all went over the native wire.
    pub(crate) fn all_native(self) -> Self {
        let mut table = BTreeMap::<_, Count>::new();
        for (case, count) in self.0 {
            let sum = table.entry(Case { protocol: "native", http: "none", ..case }).or_default();
            *sum = Count { passed: sum.passed + count.passed, all: sum.all + count.all };
        }
        Self(table)
    }

    /// The table in Markdown.
    pub(crate) fn write(&self, what: &str) -> String {
        let mut text = format!(
            "\n{what}: {} cases, {} of them with GET, and {} with a certificate of the client.\n\n",
            self.count(|_| true).text(),
            self.count(|case| case.get).text(),
            self.count(|case| case.certificates).text(),
        );
        let encodings = ENCODINGS.map(|(_, _, name)| name).join(" | ");
        // Writing to a `String` does not fail.
        let _ = writeln!(
            text,
            "| Protocol | HTTP | Streams | {encodings} |\n|---|---|---|{}",
            "--:|".repeat(ENCODINGS.len())
        );
        let mut heads: Vec<_> = self.0.keys().map(|case| (case.protocol, case.http, case.shape)).collect();
        heads.dedup();
        for head in heads {
            let _ = write!(text, "| {} | {} | {} |", head.0, head.1, SHAPES[head.2].1);
            for encoding in 0..ENCODINGS.len() {
                let of = |tls| {
                    self.count(|case| {
                        (case.protocol, case.http, case.shape) == head
                            && (case.encoding, case.tls) == (encoding, tls)
                    })
                };
                let _ = write!(text, " {} + {} |", of(false).text(), of(true).text());
            }
            text.push('\n');
        }
        text
    }
}

impl Count {
    fn text(self) -> String {
        match self {
            Self { passed, all } if passed == all => passed.to_string(),
            Self { passed, all } => format!("**{passed} of {all}**"),
        }
    }
}

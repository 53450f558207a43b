//! What publishers and subscribers have done, in files to which they append. A line that was written is there, also
//! when the process is killed right after it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A publisher is about to publish this.
pub(crate) const BEGUN: &str = "begun";
/// A publisher was told that the broker has it.
pub(crate) const TAKEN: &str = "taken";
/// A subscriber was given it, for the so-many-th time by what it was told.
pub(crate) const HANDLED: &str = "handled";

/// A folder with a file for each kind of thing and each process.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(PathBuf);

/// A file that one process appends to.
pub(crate) struct Page(File);

/// How often each event was published and handled.
#[derive(Debug, Default)]
pub(crate) struct Account {
    pub(crate) begun: BTreeMap<u64, usize>,
    pub(crate) taken: BTreeMap<u64, usize>,
    /// All of it, and those that were said to be no redelivery.
    pub(crate) handled: BTreeMap<u64, usize>,
    pub(crate) unmarked: BTreeMap<u64, usize>,
    /// How many were handled by each process.
    pub(crate) by: BTreeMap<u32, usize>,
}

impl Ledger {
    pub(crate) fn new(folder: impl Into<PathBuf>) -> Self {
        Self(folder.into())
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.0
    }

    /// The page of this process.
    pub(crate) fn page(&self, kind: &str) -> Page {
        let path = self.0.join(format!("{kind}-{}", std::process::id()));
        Page(OpenOptions::new().create(true).append(true).open(path).unwrap())
    }

    pub(crate) fn read(&self) -> Account {
        let mut account = Account::default();
        for file in std::fs::read_dir(&self.0).unwrap() {
            let path = file.unwrap().path();
            let (kind, process) = path.file_name().unwrap().to_str().unwrap().split_once('-').unwrap();
            let text = std::fs::read_to_string(&path).unwrap();
            // A line that is being written is not there yet.
            let whole = text.rfind('\n').map_or("", |end| &text[..end]);
            if kind == HANDLED {
                account.by.insert(process.parse().unwrap(), whole.lines().count());
            }
            for line in whole.lines() {
                let (event, attempt) = line.split_once(' ').unwrap();
                let event = event.parse().unwrap();
                let count = |of: &mut BTreeMap<u64, usize>| *of.entry(event).or_default() += 1;
                match kind {
                    BEGUN => count(&mut account.begun),
                    TAKEN => count(&mut account.taken),
                    _ => count(&mut account.handled),
                }
                if kind == HANDLED && attempt == "1" {
                    count(&mut account.unmarked);
                }
            }
        }
        account
    }
}

impl Page {
    pub(crate) fn write(&self, event: u64, attempt: u32) {
        (&self.0).write_all(format!("{event} {attempt}\n").as_bytes()).unwrap();
    }
}

impl Account {
    /// Those that a broker took and nobody handled.
    pub(crate) fn lost(&self) -> usize {
        self.taken.keys().filter(|event| !self.handled.contains_key(event)).count()
    }

    /// How many times one was handled that had been handled before.
    pub(crate) fn again(&self) -> usize {
        self.handled.values().map(|times| times - 1).sum()
    }

    /// How many of these times it was said that it is a redelivery.
    pub(crate) fn marked(&self) -> usize {
        let unmarked = |event| self.unmarked.get(event).copied().unwrap_or_default();
        self.handled.iter().map(|(event, times)| (times - 1).min(times - unmarked(event))).sum()
    }

    /// Those that were handled as new more often than they were published: redeliveries that nobody was told of.
    pub(crate) fn unannounced(&self) -> usize {
        let published = |event| self.begun.get(event).copied().unwrap_or_default();
        self.unmarked.iter().map(|(event, times)| times.saturating_sub(published(event))).sum()
    }

    /// Those that were handled and never published.
    pub(crate) fn invented(&self) -> usize {
        self.handled.keys().filter(|event| !self.begun.contains_key(event)).count()
    }
}

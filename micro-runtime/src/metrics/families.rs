//! The instruments there are, by name and labels.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::MOST_LABEL_SETS;
use super::instruments::{Counter, Gauge, Histogram};
use super::snapshot::{Kind, Snapshot, Value};

/// Labels, sorted by their names.
pub(super) type Labels = Vec<(String, String)>;

/// All families, by name.
#[derive(Default)]
pub(super) struct Families(Mutex<BTreeMap<String, Family>>);

struct Family {
    kind: Kind,
    help: &'static str,
    members: BTreeMap<Labels, Instrument>,
}

#[derive(Clone)]
pub(super) enum Instrument {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Families {
    /// The instrument of this name and with these labels, made where it is not there yet. Where the name
    /// is that of another kind, it is one that nobody reads.
    pub(super) fn get(
        &self,
        kind: Kind,
        name: &str,
        help: &'static str,
        labels: &[(&str, &str)],
        made: impl Fn() -> Instrument,
    ) -> Instrument {
        let name = clean_name(kind, name);
        let labels = clean_labels(labels);
        let mut families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Family { kind, help, members: BTreeMap::new() };
        let family = families.entry(name.clone()).or_insert_with(new);
        if family.kind != kind {
            tracing::warn!(name, is = ?family.kind, asked = ?kind, "a metric is of another kind, and is not exported");
            return made();
        }
        let labels = if family.members.len() >= MOST_LABEL_SETS && !family.members.contains_key(&labels) {
            overflow()
        } else {
            labels
        };
        family.members.entry(labels).or_insert_with(made).clone()
    }

    pub(super) fn read(&self, snapshot: &mut Snapshot) {
        let families = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for (name, family) in &*families {
            for (labels, instrument) in &family.members {
                let value = match instrument {
                    Instrument::Counter(counter) => Value::Number(counter.get() as f64),
                    Instrument::Gauge(gauge) => Value::Number(gauge.get()),
                    Instrument::Histogram(histogram) => Value::Distribution(histogram.read()),
                };
                snapshot.put(family.kind, name, family.help, labels.clone(), value);
            }
        }
    }
}

/// The labels of what is counted together because there are too many.
pub(super) fn overflow() -> Labels {
    vec![("otel_metric_overflow".to_owned(), "true".to_owned())]
}

/// A name as OpenMetrics has it, without what its text form adds.
pub(super) fn clean_name(kind: Kind, name: &str) -> String {
    let name = match kind {
        Kind::Counter => name.strip_suffix("_total").unwrap_or(name),
        Kind::Gauge | Kind::Histogram => name,
    };
    clean(name, |letter| letter == ':')
}

/// Labels as OpenMetrics has them: names made valid, one value for each, sorted.
pub(super) fn clean_labels(labels: &[(&str, &str)]) -> Labels {
    let clean = |&(name, value): &(&str, &str)| {
        let name = clean(name, |_| false);
        // It is what a histogram calls its boundaries.
        let name = if name == "le" { "label_le".to_owned() } else { name };
        (name, value.to_owned())
    };
    labels.iter().map(clean).collect::<BTreeMap<_, _>>().into_iter().collect()
}

fn clean(name: &str, also: impl Fn(char) -> bool) -> String {
    let valid = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || also(letter);
    let mut cleaned: String = name.chars().map(|letter| if valid(letter) { letter } else { '_' }).collect();
    if cleaned.is_empty() || cleaned.starts_with(|letter: char| letter.is_ascii_digit()) {
        cleaned.insert(0, '_');
    }
    cleaned
}

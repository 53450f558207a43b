use std::collections::BTreeMap;
use std::time::Duration;

use super::families::{Labels, overflow};
use super::{BOUNDARIES, MOST_LABEL_SETS};

/// All numbers at one moment, by name.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    families: BTreeMap<String, Family>,
}

/// All numbers of one name.
#[derive(Clone, Debug)]
pub struct Family {
    kind: Kind,
    help: &'static str,
    samples: BTreeMap<Labels, Value>,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A number that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Times, counted by how long they were.
    Histogram,
}

/// One number, or one distribution, with its labels.
#[derive(Clone, Copy, Debug)]
pub struct Sample<'a> {
    /// Name and value of each label, sorted by the names.
    pub labels: &'a [(String, String)],
    /// What was counted.
    pub value: &'a Value,
}

/// What was counted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Of a counter or a gauge.
    Number(f64),
    /// Of a histogram.
    Distribution(Distribution),
}

/// Times, counted by how long they were.
#[derive(Clone, Debug, PartialEq)]
pub struct Distribution {
    buckets: Vec<(f64, u64)>,
    sum: Duration,
}

impl Snapshot {
    /// The families, by their names, which for counters are those without `_total`.
    pub fn families(&self) -> &BTreeMap<String, Family> {
        &self.families
    }

    /// The sum of all numbers of a family that have these labels, and maybe further ones; of a histogram, how many
    /// times were counted. `None` where there is none.
    pub fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let family = self.families.get(name).or_else(|| self.families.get(name.strip_suffix("_total")?))?;
        let wanted = |sample: &Sample<'_>| {
            labels.iter().all(|(name, value)| sample.labels.iter().any(|(n, v)| n == name && v == value))
        };
        let values = family.samples().filter(wanted).map(|sample| match sample.value {
            Value::Number(number) => *number,
            Value::Distribution(distribution) => distribution.count() as f64,
        });
        values.reduce(|sum, value| sum + value)
    }

    /// Adds a number; one that is there already with these labels is added to it.
    pub(super) fn put(&mut self, kind: Kind, name: &str, help: &'static str, labels: Labels, value: Value) {
        self.put_with(kind, name, help, labels, value, |there, more| there + more);
    }

    /// The same, where a number that is there already is put together with it in another way.
    pub(super) fn put_with(
        &mut self,
        kind: Kind,
        name: &str,
        help: &'static str,
        labels: Labels,
        value: Value,
        together: fn(f64, f64) -> f64,
    ) {
        if !self.families.contains_key(name) {
            self.families.insert(name.to_owned(), Family { kind, help, samples: BTreeMap::new() });
        }
        let Some(family) = self.families.get_mut(name).filter(|family| family.kind == kind) else { return };
        let full = family.samples.len() > MOST_LABEL_SETS && !family.samples.contains_key(&labels);
        let labels = if full { overflow() } else { labels };
        match (family.samples.get_mut(&labels), value) {
            (None, value) => {
                family.samples.insert(labels, value);
            }
            (Some(Value::Number(there)), Value::Number(more)) => *there = together(*there, more),
            (Some(Value::Distribution(there)), Value::Distribution(more)) => there.add(&more),
            // One kind has one form.
            (Some(_), _) => {}
        }
    }
}

impl Family {
    /// What it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What it means, for people.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// The numbers.
    pub fn samples(&self) -> impl Iterator<Item = Sample<'_>> {
        self.samples.iter().map(|(labels, value)| Sample { labels, value })
    }
}

impl Distribution {
    /// From how many there are between one boundary and the next.
    pub(super) fn new(counts: &[u64; BOUNDARIES.len() + 1], sum: Duration) -> Self {
        let boundaries = BOUNDARIES.iter().map(|nanos| *nanos as f64 / 1e9).chain([f64::INFINITY]);
        let mut upto = 0;
        let add = |(boundary, count): (f64, &u64)| {
            upto += count;
            (boundary, upto)
        };
        Self { buckets: boundaries.zip(counts).map(add).collect(), sum }
    }

    /// For each boundary, in seconds, how many times did not exceed it; the last one is infinity.
    pub fn buckets(&self) -> &[(f64, u64)] {
        &self.buckets
    }

    /// How many times were counted.
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    /// All times together.
    pub fn sum(&self) -> Duration {
        self.sum
    }

    fn add(&mut self, other: &Self) {
        for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
            *count += more;
        }
        self.sum += other.sum;
    }
}

use std::fmt;
use std::time::Duration;

use crate::error::Result;
use crate::server::Cut;

/// How a service stopped, and what it cut off. It comes from
/// [`Running::stop_with_report`](super::Running::stop_with_report), and is in the log of every stop that cut
/// something off.
#[derive(Debug)]
#[non_exhaustive]
pub struct Stopped {
    /// The calls whose handlers were not done within the drain timeout, by their method; those with the most
    /// come first.
    pub cut: Vec<CutOff>,
    /// What else was in flight then: answers that were not taken to their end, and requests of what is mounted
    /// beside the calls.
    pub others: usize,
    /// How long the stop took, with its hooks.
    pub took: Duration,
    /// Every error there was on the way.
    pub result: Result<()>,
}

/// Calls of one method that were cut off.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CutOff {
    /// The method: `greeter.v1.Greeter/Hello`.
    pub method: &'static str,
    /// How many calls of it.
    pub calls: usize,
}

/// All that was cut off, in the order in which it is told.
pub(super) struct CutOffs {
    methods: Vec<CutOff>,
    others: usize,
}

impl CutOffs {
    pub(super) fn of(cut: &Cut) -> Self {
        let of = |(path, calls): (&&'static str, &usize)| CutOff {
            method: path.trim_start_matches('/'),
            calls: *calls,
        };
        let mut methods: Vec<_> = cut.methods.iter().map(of).collect();
        methods.sort_by(|a, b| b.calls.cmp(&a.calls).then(a.method.cmp(b.method)));
        let handlers: usize = methods.iter().map(|cut| cut.calls).sum();
        Self { methods, others: cut.all.saturating_sub(handlers) }
    }
}

impl fmt::Display for CutOffs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.methods, self.others)
    }
}

impl Stopped {
    pub(super) fn new(cut: &Cut, took: Duration, result: Result<()>) -> Self {
        let CutOffs { methods, others } = CutOffs::of(cut);
        Self { cut: methods, others, took, result }
    }

    /// Whether all that was in flight was done.
    pub fn is_clean(&self) -> bool {
        self.cut.is_empty() && self.others == 0
    }
}

/// What was cut off: `greeter.v1.Greeter/Hello ×3, greeter.v1.Greeter/Chat ×1`.
impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, &self.cut, self.others)
    }
}

fn write(f: &mut fmt::Formatter<'_>, methods: &[CutOff], others: usize) -> fmt::Result {
    for (at, CutOff { method, calls }) in methods.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{method} ×{calls}")?;
    }
    match (others, methods.is_empty()) {
        (0, true) => f.write_str("nothing"),
        (0, false) => Ok(()),
        (others, true) => write!(f, "{others} that are no running calls"),
        (others, false) => write!(f, ", and {others} that are no running calls"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_names_the_methods_with_the_most_first() {
        let methods = [("/greeter.v1.Greeter/Chat", 1), ("/greeter.v1.Greeter/Hello", 3)].into();
        let stopped = Stopped::new(&Cut { all: 6, methods }, Duration::ZERO, Ok(()));
        assert_eq!(
            stopped.to_string(),
            "greeter.v1.Greeter/Hello ×3, greeter.v1.Greeter/Chat ×1, and 2 that are no running calls"
        );
        let clean = Stopped::new(&Cut::default(), Duration::ZERO, Ok(()));
        assert_eq!(clean.to_string(), "nothing");
    }
}

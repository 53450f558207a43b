//! What is counted of events.

use crate::metrics::{Counter, Metrics};

/// What is counted of one subscriber.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    handled: Counter,
    failed: Counter,
    buried: Counter,
}

impl Counts {
    pub(crate) fn new(metrics: &Metrics, topic: &str, group: &str) -> Self {
        let labels = [("messaging_destination", topic), ("messaging_group", group)];
        Self {
            handled: metrics.counter("micro_events_handled", "Events that a subscriber handled.", &labels),
            failed: metrics.counter(
                "micro_events_failed",
                "Attempts to handle an event that ended with an error or a panic.",
                &labels,
            ),
            buried: metrics.counter("micro_events_dead", "Events that became dead letters.", &labels),
        }
    }

    pub(super) fn handled(&self) {
        self.handled.add(1);
    }

    pub(super) fn failed(&self) {
        self.failed.add(1);
    }

    pub(super) fn buried(&self) {
        self.buried.add(1);
    }
}

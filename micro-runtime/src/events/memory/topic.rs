use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::broker::Envelope;
use crate::events::group::Progress;
use crate::events::{Retention, Start, Stored};

/// The events of one topic.
#[derive(Debug)]
pub(super) struct Topic {
    /// The offset of the first one that is kept.
    first: u64,
    events: VecDeque<(usize, Stored)>,
    bytes: usize,
    pub(super) retention: Retention,
    pub(super) next: watch::Sender<u64>,
    pub(super) groups: BTreeMap<String, Progress>,
}

impl Topic {
    pub(super) fn new() -> Self {
        Self {
            first: 1,
            events: VecDeque::new(),
            bytes: 0,
            retention: Retention::unlimited(),
            next: watch::Sender::new(1),
            groups: BTreeMap::new(),
        }
    }

    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// The offset of the event after the last one.
    pub(super) fn next(&self) -> u64 {
        self.first + self.events.len() as u64
    }

    pub(super) fn append(&mut self, events: Vec<(usize, Envelope)>, now: SystemTime) -> Range<u64> {
        let from = self.next();
        // A clock that is set back does not bring events out of order.
        let time = self.events.back().map_or(now, |(_, last)| last.time.max(now));
        for (offset, (bytes, envelope)) in (from..).zip(events) {
            self.bytes += bytes;
            self.events.push_back((bytes, Stored { offset, time, envelope }));
        }
        from..self.next()
    }

    /// Tells those who wait for events that there are some.
    pub(super) fn announce(&self) {
        self.next.send_replace(self.next());
    }

    pub(super) fn locate(&self, start: Start) -> u64 {
        match start {
            Start::Oldest => self.first,
            Start::Offset(offset) => offset.max(self.first),
            Start::Time(time) => {
                self.first + self.events.partition_point(|(_, stored)| stored.time < time) as u64
            }
            Start::New => self.next(),
        }
    }

    pub(super) fn read(&self, from: u64, limit: usize, mut bytes: usize) -> Vec<Stored> {
        let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let mut read = Vec::new();
        for (size, stored) in self.events.iter().skip(skip).take(limit) {
            if !read.is_empty() && *size > bytes {
                break;
            }
            bytes = bytes.saturating_sub(*size);
            read.push(stored.clone());
        }
        read
    }

    /// Lets go of what is beyond the limits, and says how many events and bytes that was.
    pub(super) fn retain(&mut self, now: SystemTime) -> (usize, usize) {
        let (mut events, mut bytes) = (0, 0);
        while let Some((size, oldest)) = self.events.front() {
            let Retention { max_age, max_bytes, max_events } = self.retention;
            let age = now.duration_since(oldest.time).unwrap_or_default();
            let goes = max_age.is_some_and(|most| age >= most)
                || max_bytes.is_some_and(|most| self.bytes as u64 > most)
                || max_events.is_some_and(|most| self.events.len() as u64 > most);
            if !goes {
                break;
            }
            (events, bytes) = (events + 1, bytes + size);
            self.bytes -= size;
            self.first += 1;
            self.events.pop_front();
        }
        (events, bytes)
    }
}

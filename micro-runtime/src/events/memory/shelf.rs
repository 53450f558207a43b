use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use tokio::sync::{Notify, watch};
use tokio::time::sleep_until;

use super::clock::Clock;
use super::delayed::{Delayed, Waiting};
use super::topic::Topic;
use crate::broker::Envelope;
use crate::error::{Error, Result};
use crate::events::group::{Fetched, Opened, Progress, Storage};
use crate::events::limits::MAX_ANSWER;
use crate::events::{GroupStatus, Retention, Start, Stored};

/// What a log in memory keeps.
#[derive(Debug)]
pub(super) struct Shelf {
    clock: Clock,
    max_events: usize,
    max_bytes: usize,
    contents: Mutex<Contents>,
    /// An event for later was published, which may be the first one.
    sooner: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Contents {
    topics: HashMap<String, Topic>,
    delayed: Delayed,
    /// All events and their bytes, those for later as well.
    events: usize,
    bytes: usize,
    /// Whether somebody looks after events for later.
    is_watched: bool,
    groups_made: u64,
    closed: bool,
}

impl Shelf {
    pub(super) fn new(max_events: usize, max_bytes: usize) -> Self {
        Self {
            clock: Clock::new(),
            max_events,
            max_bytes,
            contents: Mutex::default(),
            sooner: Arc::default(),
        }
    }

    pub(super) fn max_events(&self) -> usize {
        self.max_events
    }

    pub(super) fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    pub(super) fn append(&self, topic: &str, events: Vec<(usize, Envelope)>) -> Result<Range<u64>> {
        let now = self.clock.now();
        let mut contents = self.open()?;
        let bytes = events.iter().map(|(bytes, _)| bytes).sum();
        self.make_room(&mut contents, events.len(), bytes, now)?;
        let range = contents.topic(topic).append(events, now);
        contents.retain(topic, now);
        contents.topic(topic).announce();
        Ok(range)
    }

    pub(super) fn append_at(
        self: &Arc<Self>,
        topic: &str,
        bytes: usize,
        envelope: Envelope,
        at: SystemTime,
    ) -> Result<()> {
        let now = self.clock.now();
        if at <= now {
            return self.append(topic, vec![(bytes, envelope)]).map(drop);
        }
        let mut contents = self.open()?;
        self.make_room(&mut contents, 1, bytes, now)?;
        contents.delayed.put(at, Waiting { topic: topic.to_owned(), bytes, envelope });
        if !std::mem::replace(&mut contents.is_watched, true) {
            tokio::spawn(watch(Arc::downgrade(self), self.sooner.clone()));
        }
        drop(contents);
        self.sooner.notify_one();
        Ok(())
    }

    pub(super) fn read(&self, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>> {
        let mut contents = self.open()?;
        contents.retain(topic, self.clock.now());
        let Some(topic) = contents.topics.get(topic).filter(|_| start != Start::New) else {
            return Ok(Vec::new());
        };
        Ok(topic.read(topic.locate(start), limit, MAX_ANSWER))
    }

    pub(super) fn set_retention(&self, topic: &str, retention: Retention) -> Result<()> {
        let mut contents = self.open()?;
        contents.topic(topic).retention = retention;
        contents.retain(topic, self.clock.now());
        Ok(())
    }

    pub(super) fn groups(&self, topic: &str) -> Result<Vec<GroupStatus>> {
        let mut contents = self.open()?;
        contents.retain(topic, self.clock.now());
        let Some(topic) = contents.topics.get(topic) else { return Ok(Vec::new()) };
        let (first, next) = (topic.first(), topic.next());
        Ok(topic.groups.iter().map(|(name, progress)| progress.status(name, first, next)).collect())
    }

    pub(super) fn delete_group(&self, topic: &str, group: &str) -> Result<()> {
        if let Some(topic) = self.open()?.topics.get_mut(topic) {
            topic.groups.remove(group);
        }
        Ok(())
    }

    pub(super) fn close(&self) {
        *self.contents() = Contents { closed: true, ..Contents::default() };
        self.sooner.notify_one();
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Result<MutexGuard<'_, Contents>> {
        let contents = self.contents();
        if contents.closed { Err(Error::unavailable("the log was closed")) } else { Ok(contents) }
    }

    fn make_room(&self, contents: &mut Contents, events: usize, bytes: usize, now: SystemTime) -> Result<()> {
        let fits = |contents: &Contents| {
            contents.events.saturating_add(events) <= self.max_events
                && contents.bytes.saturating_add(bytes) <= self.max_bytes
        };
        if !fits(contents) {
            let topics: Vec<_> = contents.topics.keys().cloned().collect();
            topics.iter().for_each(|topic| contents.retain(topic, now));
        }
        if !fits(contents) {
            return Err(Error::resource_exhausted(format!(
                "the log in memory is full, with {} events and {} bytes of {} and {}: let old events go with \
                 `set_retention`, or make it larger with `max_events` and `max_bytes`",
                contents.events, contents.bytes, self.max_events, self.max_bytes
            )));
        }
        contents.events += events;
        contents.bytes += bytes;
        Ok(())
    }

    /// Appends what is due, and says when the next is.
    fn append_due(&self) -> Option<SystemTime> {
        let now = self.clock.now();
        let mut contents = self.contents();
        // Room was made for it when it was published.
        while let Some(Waiting { topic, bytes, envelope }) = contents.delayed.take_due(now) {
            contents.topic(&topic).append(vec![(bytes, envelope)], now);
            contents.retain(&topic, now);
            contents.topic(&topic).announce();
        }
        let next = contents.delayed.first();
        contents.is_watched = next.is_some();
        next
    }
}

impl Contents {
    fn topic(&mut self, name: &str) -> &mut Topic {
        self.topics.entry(name.to_owned()).or_insert_with(Topic::new)
    }

    fn retain(&mut self, topic: &str, now: SystemTime) {
        if let Some(topic) = self.topics.get_mut(topic) {
            let (events, bytes) = topic.retain(now);
            self.events -= events;
            self.bytes -= bytes;
        }
    }
}

/// Appends events when they are due, as long as there are some.
async fn watch(shelf: std::sync::Weak<Shelf>, sooner: Arc<Notify>) {
    loop {
        let at = {
            let Some(shelf) = shelf.upgrade() else { return };
            let Some(next) = shelf.append_due() else { return };
            shelf.clock.instant(next)
        };
        let due = async {
            match at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = sooner.notified() => {}
            () = due => {}
        }
    }
}

#[async_trait]
impl Storage for Shelf {
    async fn fetch(&self, topic: &str, offset: u64, limit: usize) -> Result<Fetched> {
        let mut contents = self.open()?;
        contents.retain(topic, self.clock.now());
        let topic = contents.topic(topic);
        Ok(Fetched { first: topic.first(), events: topic.read(offset, limit, MAX_ANSWER) })
    }

    async fn locate(&self, topic: &str, start: Start) -> Result<u64> {
        Ok(self.open()?.topic(topic).locate(start))
    }

    async fn next(&self, topic: &str) -> Result<watch::Receiver<u64>> {
        Ok(self.open()?.topic(topic).next.subscribe())
    }

    async fn open(&self, topic: &str, group: &str, start: Start) -> Result<Opened> {
        let mut contents = self.open()?;
        contents.groups_made += 1;
        let born = contents.groups_made;
        let topic = contents.topic(topic);
        let begins = topic.locate(start);
        let beginning = || Progress::beginning(born, begins);
        let progress = topic.groups.entry(group.to_owned()).or_insert_with(beginning).clone();
        Ok(Opened::Here(progress, Box::new(())))
    }

    async fn save(&self, topic: &str, group: &str, progress: Progress) -> Result<bool> {
        let mut contents = self.open()?;
        let kept = contents.topic(topic).groups.get_mut(group).filter(|kept| kept.born == progress.born);
        Ok(kept.map(|kept| *kept = progress).is_some())
    }
}

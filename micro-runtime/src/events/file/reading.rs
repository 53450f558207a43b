//! What can be read of the file.

use redb::{Database, ReadOnlyTable, ReadableDatabase, ReadableTable};

use super::codec::{decode, micros, time};
use super::database::broken;
use super::tables::{EVENTS, GROUPS, LATER, TOPICS, Topic};
use crate::error::{Error, Result};
use crate::events::group::{Fetched, Progress};
use crate::events::limits::MAX_ANSWER;
use crate::events::{GroupStatus, Start};

/// The file as it is at one moment.
pub(super) struct Reading {
    transaction: redb::ReadTransaction,
    topics: ReadOnlyTable<&'static str, &'static [u8]>,
}

impl Reading {
    pub(super) fn new(database: &Database) -> Result<Self> {
        let transaction = database.begin_read().map_err(broken)?;
        let topics = transaction.open_table(TOPICS).map_err(broken)?;
        Ok(Self { transaction, topics })
    }

    pub(super) fn topic(&self, name: &str) -> Result<Option<Topic>> {
        self.topics.get(name).map_err(broken)?.map(|bytes| Topic::decode(bytes.value())).transpose()
    }

    /// The events of a topic from an offset on.
    pub(super) fn fetch(&self, name: &str, from: u64, limit: usize) -> Result<Fetched> {
        let Some(topic) = self.topic(name)? else { return Ok(Fetched { first: 1, events: Vec::new() }) };
        let table = self.transaction.open_table(EVENTS).map_err(broken)?;
        let from = from.max(topic.first);
        let (mut events, mut bytes) = (Vec::new(), 0usize);
        if from < topic.next {
            let range = (topic.number, from)..(topic.number, topic.next);
            for entry in table.range(range).map_err(broken)?.take(limit) {
                let (key, event) = entry.map_err(broken)?;
                bytes = bytes.saturating_add(event.value().len());
                if !events.is_empty() && bytes > MAX_ANSWER {
                    break;
                }
                events.push(decode(key.value().1, event.value())?);
            }
        }
        Ok(Fetched { first: topic.first, events })
    }

    /// The offset where somebody begins.
    pub(super) fn locate(&self, name: &str, start: Start) -> Result<u64> {
        match self.topic(name)? {
            Some(topic) => locate(&self.transaction.open_table(EVENTS).map_err(broken)?, &topic, start),
            None => Ok(if let Start::Offset(offset) = start { offset.max(1) } else { 1 }),
        }
    }

    pub(super) fn groups(&self, name: &str) -> Result<Vec<GroupStatus>> {
        let Some(topic) = self.topic(name)? else { return Ok(Vec::new()) };
        let table = self.transaction.open_table(GROUPS).map_err(broken)?;
        let mut groups = Vec::new();
        for entry in table.range((topic.number, "")..(topic.number + 1, "")).map_err(broken)? {
            let (key, progress) = entry.map_err(broken)?;
            groups.push(Progress::decode(progress.value())?.status(key.value().1, topic.first, topic.next));
        }
        Ok(groups)
    }

    pub(super) fn group(&self, name: &str, group: &str) -> Result<Option<Progress>> {
        let Some(topic) = self.topic(name)? else { return Ok(None) };
        let table = self.transaction.open_table(GROUPS).map_err(broken)?;
        table
            .get((topic.number, group))
            .map_err(broken)?
            .map(|bytes| Progress::decode(bytes.value()))
            .transpose()
    }

    /// Whether an event is due, or too old.
    pub(super) fn needs_tending(&self, now: u64) -> Result<bool> {
        let later = self.transaction.open_table(LATER).map_err(broken)?;
        if later.first().map_err(broken)?.is_some_and(|(key, _)| key.value().0 <= now) {
            return Ok(true);
        }
        for entry in self.topics.iter().map_err(broken)? {
            let (_, topic) = entry.map_err(broken)?;
            if Topic::decode(topic.value())?.is_beyond(now) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The offset in a topic where somebody begins.
pub(super) fn locate(
    events: &impl ReadableTable<(u64, u64), &'static [u8]>,
    topic: &Topic,
    start: Start,
) -> Result<u64> {
    let at = match start {
        Start::Oldest => return Ok(topic.first),
        Start::Offset(offset) => return Ok(offset.max(topic.first)),
        Start::New => return Ok(topic.next),
        Start::Time(at) => micros(at),
    };
    // Times never go back, and no offset is left out.
    let (mut from, mut to) = (topic.first, topic.next);
    while from < to {
        let middle = from + (to - from) / 2;
        let event = events.get((topic.number, middle)).map_err(broken)?;
        let event = event.ok_or_else(|| Error::data_loss(format!("the event {middle} is missing")))?;
        if time(event.value())? < at { from = middle + 1 } else { to = middle }
    }
    Ok(from)
}

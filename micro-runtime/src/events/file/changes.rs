//! Changes of the file, within one transaction.

use std::collections::HashMap;
use std::ops::Range;

use redb::{ReadableTable, Table, WriteTransaction};

use super::codec::{decode_later, encode_later, set_time, time};
use super::database::broken;
use super::tables::{EVENTS, GROUPS, LATER, META, NUMBERS, TOPICS, Topic};
use crate::error::{Error, Result};
use crate::events::group::Progress;
use crate::events::{Retention, Start};

/// As much is done in one transaction about events that go and events that are due.
const MOST_AT_ONCE: usize = 5000;

/// An open transaction, with what it did.
pub(super) struct Changes<'t> {
    events: Table<'t, (u64, u64), &'static [u8]>,
    topics: Table<'t, &'static str, &'static [u8]>,
    groups: Table<'t, (u64, &'static str), &'static [u8]>,
    later: Table<'t, (u64, u64), &'static [u8]>,
    meta: Table<'t, &'static str, u64>,
    known: HashMap<String, Topic>,
    now: u64,
    /// Something of it failed halfway, so that it must not be committed.
    pub(super) failed: Option<Error>,
}

impl<'t> Changes<'t> {
    pub(super) fn new(writing: &'t WriteTransaction, now: u64) -> Result<Self> {
        Ok(Self {
            events: writing.open_table(EVENTS).map_err(broken)?,
            topics: writing.open_table(TOPICS).map_err(broken)?,
            groups: writing.open_table(GROUPS).map_err(broken)?,
            later: writing.open_table(LATER).map_err(broken)?,
            meta: writing.open_table(META).map_err(broken)?,
            known: HashMap::new(),
            now,
            failed: None,
        })
    }

    /// Appends events, and returns their offsets.
    pub(super) fn append(&mut self, name: &str, events: Vec<Vec<u8>>) -> Result<Range<u64>> {
        let mut topic = self.topic(name)?;
        let from = topic.next;
        // A clock that is set back does not bring events out of order.
        let time = self.now.max(topic.newest);
        for mut event in events {
            set_time(&mut event, time);
            if topic.first == topic.next {
                topic.oldest = time;
            }
            self.events.insert((topic.number, topic.next), event.as_slice()).map_err(broken)?;
            topic.newest = time;
            topic.bytes += event.len() as u64;
            topic.next += 1;
        }
        let range = from..topic.next;
        self.retain(&mut topic)?;
        self.known.insert(name.to_owned(), topic);
        Ok(range)
    }

    /// Keeps an event for later.
    pub(super) fn append_at(&mut self, topic: &str, event: Vec<u8>, at: u64) -> Result<()> {
        if at <= self.now {
            return self.append(topic, vec![event]).map(drop);
        }
        let number = self.number()?;
        self.later.insert((at, number), encode_later(topic, &event).as_slice()).map_err(broken)?;
        Ok(())
    }

    pub(super) fn set_retention(&mut self, name: &str, retention: Retention) -> Result<()> {
        let mut topic = self.topic(name)?;
        topic.retention = retention;
        self.retain(&mut topic)?;
        self.known.insert(name.to_owned(), topic);
        Ok(())
    }

    /// How far a group is, which is made where it is not there.
    pub(super) fn open_group(&mut self, name: &str, group: &str, start: Start) -> Result<Progress> {
        let topic = self.topic(name)?;
        if let Some(kept) = self.groups.get((topic.number, group)).map_err(broken)? {
            return Progress::decode(kept.value());
        }
        let place = super::reading::locate(&self.events, &topic, start)?;
        let progress = Progress::beginning(self.number()?, place);
        self.groups.insert((topic.number, group), progress.encode()?.as_slice()).map_err(broken)?;
        self.known.insert(name.to_owned(), topic);
        Ok(progress)
    }

    /// Keeps how far a group is; `false` where it was deleted.
    pub(super) fn save_group(&mut self, name: &str, group: &str, progress: &Progress) -> Result<bool> {
        let topic = self.topic(name)?;
        let born = match self.groups.get((topic.number, group)).map_err(broken)? {
            Some(kept) => Progress::decode(kept.value())?.born,
            None => return Ok(false),
        };
        if born != progress.born {
            return Ok(false);
        }
        self.groups.insert((topic.number, group), progress.encode()?.as_slice()).map_err(broken)?;
        Ok(true)
    }

    /// Deletes a group, and returns its number where it was there.
    pub(super) fn delete_group(&mut self, name: &str, group: &str) -> Result<Option<u64>> {
        let topic = self.topic(name)?;
        let kept = self.groups.remove((topic.number, group)).map_err(broken)?;
        kept.map(|kept| Progress::decode(kept.value()).map(|progress| progress.born)).transpose()
    }

    /// Appends what is due, and lets go of what is too old. Whether there is more of it.
    pub(super) fn tend(&mut self) -> Result<bool> {
        let mut moved = 0;
        while let Some((topic, event)) = self.take_due()? {
            self.append(&topic, vec![event])?;
            moved += 1;
            if moved >= MOST_AT_ONCE {
                return Ok(true);
            }
        }
        let mut beyond = Vec::new();
        for entry in self.topics.iter().map_err(broken)? {
            let (name, bytes) = entry.map_err(broken)?;
            if Topic::decode(bytes.value())?.is_beyond(self.now) {
                beyond.push(name.value().to_owned());
            }
        }
        for name in beyond {
            let mut topic = self.topic(&name)?;
            self.retain(&mut topic)?;
            let more = topic.is_beyond(self.now);
            self.known.insert(name, topic);
            if more {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Writes what was not written yet, and returns the next offsets of the topics that changed.
    pub(super) fn finish(mut self) -> Result<Vec<(String, u64)>> {
        let mut next = Vec::with_capacity(self.known.len());
        for (name, topic) in self.known.drain() {
            self.topics.insert(name.as_str(), topic.encode()?.as_slice()).map_err(broken)?;
            next.push((name, topic.next));
        }
        Ok(next)
    }

    fn topic(&mut self, name: &str) -> Result<Topic> {
        if let Some(topic) = self.known.get(name) {
            return Ok(topic.clone());
        }
        if let Some(bytes) = self.topics.get(name).map_err(broken)? {
            return Topic::decode(bytes.value());
        }
        let topic = Topic::new(self.number()?);
        self.known.insert(name.to_owned(), topic.clone());
        Ok(topic)
    }

    fn number(&mut self) -> Result<u64> {
        let last = self.meta.get(NUMBERS).map_err(broken)?.map_or(0, |number| number.value());
        let number =
            last.checked_add(1).ok_or_else(|| Error::data_loss("a counter of the file is damaged"))?;
        self.meta.insert(NUMBERS, number).map_err(broken)?;
        Ok(number)
    }

    fn take_due(&mut self) -> Result<Option<(String, Vec<u8>)>> {
        match self.later.first().map_err(broken)? {
            Some((key, _)) if key.value().0 <= self.now => {}
            _ => return Ok(None),
        }
        let Some((_, bytes)) = self.later.pop_first().map_err(broken)? else { return Ok(None) };
        let (topic, event) = decode_later(bytes.value())?;
        Ok(Some((topic.to_owned(), event.to_owned())))
    }

    /// Lets go of what is beyond the limits of a topic.
    fn retain(&mut self, topic: &mut Topic) -> Result<()> {
        for _ in 0..MOST_AT_ONCE {
            if !topic.is_beyond(self.now) {
                break;
            }
            let gone = self.events.remove((topic.number, topic.first)).map_err(broken)?;
            topic.bytes = topic.bytes.saturating_sub(gone.map_or(0, |gone| gone.value().len() as u64));
            topic.first += 1;
            if let Some(next) = self.events.get((topic.number, topic.first)).map_err(broken)? {
                topic.oldest = time(next.value())?;
            }
        }
        Ok(())
    }
}

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::done::Done;
use super::progress::Progress;
use crate::events::Stored;

/// How many events may wait in memory beside those that are in hand: given back for later, or behind one with the same
/// key. No further ones are fetched then.
const MOST_WAITING: usize = 1000;

/// The same in bytes, with those in hand.
const MOST_BYTES: usize = 64 << 20;

/// How many events are fetched in one go.
const MOST_FETCHED: usize = 256;

/// What a group knows: which events are done, in whose hands others are, and which come next. It does nothing, and
/// the time is what it is told.
#[derive(Debug)]
pub(super) struct State {
    born: u64,
    done: Done,
    missed: u64,
    /// All events before it are done or known, except those that are skipped when they are fetched again.
    pub(super) cursor: u64,
    /// What was fetched and is not done.
    known: BTreeMap<u64, Entry>,
    bytes: usize,
    /// Deliveries of events that are not known at the moment.
    attempts: BTreeMap<u64, u32>,
    /// Fetched, and not to be delivered before the attempt is saved.
    fresh: Vec<u64>,
    ready: BTreeSet<u64>,
    later: BTreeSet<(Instant, u64)>,
    deadlines: BTreeSet<(Instant, u64)>,
    /// For each key the events that are known, in order: the first one may be delivered.
    keys: HashMap<String, VecDeque<u64>>,
    pub(super) ordered: bool,
    ack_wait: Duration,
    members: BTreeMap<u64, Member>,
    numbers: u64,
    pub(super) refilling: bool,
    pub(super) dirty: bool,
    pub(super) save_is_planned: bool,
    /// Nothing is given out any more.
    pub(super) over: bool,
}

#[derive(Debug)]
struct Entry {
    stored: Stored,
    bytes: usize,
    /// How often it was delivered.
    attempts: u32,
    hold: Option<Hold>,
    /// When it may be delivered again.
    not_before: Option<Instant>,
    /// Who gave it back, so that others are asked first.
    given_back_by: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
struct Hold {
    number: u64,
    member: u64,
    deadline: Option<Instant>,
}

#[derive(Debug)]
struct Member {
    limit: usize,
    held: usize,
    /// It waits in `next`, and would take an event.
    idle: bool,
}

/// What a member does next.
pub(super) enum Step {
    Deliver(Box<Taken>),
    /// Until this time, or until something changes.
    Wait(Option<Instant>),
    Over,
}

/// An event that was given out.
pub(super) struct Taken {
    pub(super) stored: Stored,
    pub(super) attempts_before: u32,
    pub(super) hold: u64,
}

impl State {
    pub(super) fn new(progress: &Progress, ordered: bool, ack_wait: Duration) -> Self {
        Self {
            born: progress.born,
            done: progress.to_done(),
            missed: progress.missed,
            cursor: progress.position,
            known: BTreeMap::new(),
            bytes: 0,
            attempts: progress.attempts.iter().copied().collect(),
            fresh: Vec::new(),
            ready: BTreeSet::new(),
            later: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            keys: HashMap::new(),
            ordered,
            ack_wait,
            members: BTreeMap::new(),
            numbers: 0,
            refilling: false,
            dirty: false,
            save_is_planned: false,
            over: false,
        }
    }

    pub(super) fn join(&mut self, limit: usize) -> u64 {
        let number = self.number();
        self.members.insert(number, Member { limit, held: 0, idle: false });
        number
    }

    pub(super) fn leave(&mut self, member: u64) {
        self.members.remove(&member);
    }

    pub(super) fn set_idle(&mut self, member: u64, idle: bool) {
        if let Some(member) = self.members.get_mut(&member) {
            member.idle = idle;
        }
    }

    /// Whether nobody needs it any more.
    pub(super) fn is_unused(&self) -> bool {
        self.members.is_empty() && !self.refilling && self.in_hand() == 0
    }

    pub(super) fn in_hand(&self) -> usize {
        self.known.values().filter(|entry| entry.hold.is_some()).count()
    }

    /// What the member does next.
    pub(super) fn take(&mut self, member: u64, now: Instant) -> Step {
        if self.over || !self.members.contains_key(&member) {
            return Step::Over;
        }
        self.pass_time(now);
        let may = self.members.get(&member).is_some_and(|member| member.held < member.limit);
        if may
            && let Some(offset) = self.choose(member)
            && let Some(taken) = self.give(offset, member, now)
        {
            return Step::Deliver(Box::new(taken));
        }
        let first = |set: &BTreeSet<(Instant, u64)>| set.first().map(|(at, _)| *at);
        Step::Wait(first(&self.later).into_iter().chain(first(&self.deadlines)).min())
    }

    /// Whether an event that was left for somebody is there for others now.
    pub(super) fn others_should_look(&self) -> bool {
        !self.ready.is_empty() && self.members.values().any(|member| member.idle)
    }

    /// How many events should be fetched, where the topic has all before `next`.
    pub(super) fn wanted(&self, next: u64) -> usize {
        let room = self.members.values().fold(0usize, |room, member| room.saturating_add(member.limit));
        let full = self.known.len() >= MOST_WAITING.saturating_add(room) || self.bytes >= MOST_BYTES;
        // As many again as can be in hand, so that members do not wait for the log each time.
        if self.refilling || self.over || full || self.cursor >= next || self.ready.len() >= room {
            return 0;
        }
        room.saturating_mul(2).saturating_sub(self.ready.len()).min(MOST_FETCHED)
    }

    /// Takes in what was fetched from the cursor on; `first` is the oldest event that the topic still has. Returns how many
    /// events had gone.
    pub(super) fn fetched(&mut self, first: u64, events: Vec<Stored>) -> u64 {
        let gone = self.skip_gone(first);
        for stored in events {
            let offset = stored.offset;
            self.cursor = self.cursor.max(offset.saturating_add(1));
            if self.done.contains(offset) || self.known.contains_key(&offset) {
                continue;
            }
            let headers = stored.envelope.headers.iter().map(|(name, value)| name.len() + value.len());
            let bytes = headers.sum::<usize>() + stored.envelope.body.len();
            let attempts = self.attempts.remove(&offset).unwrap_or(0);
            self.bytes += bytes;
            self.known.insert(
                offset,
                Entry { stored, bytes, attempts, hold: None, not_before: None, given_back_by: None },
            );
            if self.queue_behind_key(offset) {
                self.fresh.push(offset);
            }
        }
        gone
    }

    /// What was fetched may be delivered now.
    pub(super) fn release_fresh(&mut self) {
        self.ready.extend(self.fresh.drain(..));
    }

    /// The event was handled, by whoever has this hold on it.
    pub(super) fn ack(&mut self, offset: u64, hold: u64) {
        let Some(entry) = self.known.get(&offset) else { return };
        // Somebody else has it now, and decides.
        if entry.hold.is_some_and(|other| other.number != hold) {
            return;
        }
        self.release(offset, hold);
        self.finish(offset);
    }

    /// The event goes back, to be delivered after this time.
    pub(super) fn give_back(&mut self, offset: u64, hold: u64, after: Duration, now: Instant) {
        let Some(member) = self.release(offset, hold) else { return };
        let Some(entry) = self.known.get_mut(&offset) else { return };
        entry.given_back_by = Some(member);
        if after.is_zero() {
            self.ready.insert(offset);
        } else {
            // A time that cannot be counted is as good as a year.
            let far = Duration::from_secs(365 * 24 * 3600);
            let at = now.checked_add(after.min(far)).unwrap_or(now);
            entry.not_before = Some(at);
            self.later.insert((at, offset));
        }
    }

    /// Whoever has the event gets as much time as in the beginning.
    pub(super) fn extend(&mut self, offset: u64, hold: u64, now: Instant) {
        let deadline = now.checked_add(self.ack_wait);
        if let Some(held) = self.known.get_mut(&offset).and_then(|entry| entry.hold.as_mut())
            && held.number == hold
        {
            if let Some(before) = std::mem::replace(&mut held.deadline, deadline) {
                self.deadlines.remove(&(before, offset));
            }
            self.deadlines.extend(deadline.map(|at| (at, offset)));
        }
    }

    /// How far the group is. With `reserve`, events that may be delivered in a moment count as delivered, so that nobody
    /// forgets it after a crash.
    pub(super) fn progress(&self, reserve: bool) -> Progress {
        let mut attempts = self.attempts.clone();
        for (offset, entry) in &self.known {
            let soon =
                reserve && entry.hold.is_none() && entry.not_before.is_none() && self.is_first(*offset);
            let count = entry.attempts.saturating_add(u32::from(soon));
            if count > 0 {
                attempts.insert(*offset, count);
            }
        }
        Progress {
            born: self.born,
            position: self.done.position(),
            done: self.done.runs().collect(),
            attempts: attempts.into_iter().collect(),
            missed: self.missed,
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// Gives what is due, and what was held too long, to be delivered again.
    fn pass_time(&mut self, now: Instant) {
        while let Some(&(at, offset)) = self.later.first().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, offset));
            if let Some(entry) = self.known.get_mut(&offset) {
                entry.not_before = None;
                self.ready.insert(offset);
            }
        }
        while let Some(&(at, offset)) = self.deadlines.first().filter(|(at, _)| *at <= now) {
            self.deadlines.remove(&(at, offset));
            if let Some(hold) = self.known.get(&offset).and_then(|entry| entry.hold) {
                self.give_back(offset, hold.number, Duration::ZERO, now);
            }
        }
    }

    /// The oldest event that is ready. One that the member itself gave back goes to others first, where one waits.
    fn choose(&self, member: u64) -> Option<u64> {
        let waits =
            |(number, other): (&u64, &Member)| *number != member && other.idle && other.held < other.limit;
        let others_wait = self.members.iter().any(waits);
        let may = |offset: &&u64| {
            !others_wait || self.known.get(*offset).is_none_or(|entry| entry.given_back_by != Some(member))
        };
        self.ready.iter().find(may).copied()
    }

    fn give(&mut self, offset: u64, member: u64, now: Instant) -> Option<Taken> {
        self.ready.remove(&offset);
        let number = self.number();
        let deadline = now.checked_add(self.ack_wait);
        let entry = self.known.get_mut(&offset)?;
        let attempts_before = entry.attempts;
        entry.attempts = entry.attempts.saturating_add(1);
        entry.hold = Some(Hold { number, member, deadline });
        self.deadlines.extend(deadline.map(|at| (at, offset)));
        if let Some(member) = self.members.get_mut(&member) {
            member.held += 1;
        }
        Some(Taken { stored: entry.stored.clone(), attempts_before, hold: number })
    }

    /// Takes the event out of the hand that has this hold on it, and says whose that is.
    fn release(&mut self, offset: u64, hold: u64) -> Option<u64> {
        let entry = self.known.get_mut(&offset)?;
        let held = entry.hold.take_if(|held| held.number == hold)?;
        if let Some(at) = held.deadline {
            self.deadlines.remove(&(at, offset));
        }
        if let Some(member) = self.members.get_mut(&held.member) {
            member.held = member.held.saturating_sub(1);
        }
        Some(held.member)
    }

    fn finish(&mut self, offset: u64) {
        let Some(entry) = self.known.remove(&offset) else { return };
        self.bytes = self.bytes.saturating_sub(entry.bytes);
        self.ready.remove(&offset);
        if let Some(at) = entry.not_before {
            self.later.remove(&(at, offset));
        }
        self.done.add(offset, offset.saturating_add(1));
        if self.ordered
            && let Some(key) = entry.stored.envelope.key()
            && let Some(queue) = self.keys.get_mut(key)
        {
            // Only the first one is ever delivered.
            queue.pop_front();
            match queue.front() {
                Some(next) => _ = self.ready.insert(*next),
                None => _ = self.keys.remove(key),
            }
        }
    }

    /// Puts a new event behind those with its key, and says whether it is the first.
    fn queue_behind_key(&mut self, offset: u64) -> bool {
        if !self.ordered {
            return true;
        }
        let Some(key) = self.known.get(&offset).and_then(|entry| entry.stored.envelope.key()) else {
            return true;
        };
        match self.keys.get_mut(key) {
            Some(queue) => queue.push_back(offset),
            None => _ = self.keys.insert(key.to_owned(), VecDeque::from([offset])),
        }
        self.is_first(offset)
    }

    fn is_first(&self, offset: u64) -> bool {
        let Some(key) = self.known.get(&offset).and_then(|entry| entry.stored.envelope.key()) else {
            return true;
        };
        !self.ordered || self.keys.get(key).is_none_or(|queue| queue.front() == Some(&offset))
    }

    /// Counts the events before `first` that were not fetched as done, since they are gone.
    fn skip_gone(&mut self, first: u64) -> u64 {
        if self.cursor >= first {
            return 0;
        }
        let overlap = |(start, end): (u64, u64)| end.min(first).saturating_sub(start.max(self.cursor));
        let done: u64 = self.done.runs().map(overlap).sum();
        let gone = (first - self.cursor).saturating_sub(done);
        self.done.add(self.cursor, first);
        self.attempts = self.attempts.split_off(&first);
        self.cursor = first;
        self.missed = self.missed.saturating_add(gone);
        gone
    }
}

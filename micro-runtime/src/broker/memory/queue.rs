use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::broker::{Envelope, Guarantee, SubscribeOptions};
use crate::error::{Error, Result};

/// Whose events they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Those of a subscription without a group.
    Alone,
    /// Those of a group.
    Group(String),
    /// Those of a dead-letter topic, which all subscriptions share.
    Shared,
}

impl Kind {
    pub(super) fn group(&self) -> &str {
        match self {
            Self::Group(group) => group,
            Self::Alone | Self::Shared => "",
        }
    }
}

/// What waits for one group, or for one subscription without a group, and who is there to take it.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) topic: Arc<str>,
    pub(super) kind: Kind,
    /// It is at most once, and drops what it has no room for.
    pub(super) lossy: bool,
    ordered: bool,
    waiting: VecDeque<Item>,
    /// The keys of which an event is in somebody's hand, where they are kept in order.
    busy: HashSet<String>,
    members: Vec<Member>,
    /// The members that wait for an event, the one that waits longest first: so they take turns.
    turns: VecDeque<u64>,
}

/// An event that waits.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) envelope: Envelope,
    pub(super) attempts: u32,
    /// It rests until then.
    rests: Option<Instant>,
    /// The member that gave it back: another one is to have it, if there is one that waits.
    not_to: Option<u64>,
}

/// A subscription.
#[derive(Debug)]
pub(super) struct Member {
    number: u64,
    handle: u64,
    guarantee: Guarantee,
    in_hand: usize,
    held: usize,
    /// What was given to it and not yet fetched. It counts as held.
    slot: Option<Item>,
    wake: Arc<Notify>,
}

/// What a member is told that asks for an event.
pub(super) enum Turn {
    Take(Item, Guarantee),
    /// For a notice, and no longer than until something has rested.
    Wait(Arc<Notify>, Option<Instant>),
    Over,
}

impl Item {
    pub(super) fn new(envelope: Envelope) -> Self {
        Self { envelope, attempts: 0, rests: None, not_to: None }
    }
}

impl Member {
    pub(super) fn new(number: u64, handle: u64, options: &SubscribeOptions) -> Self {
        Self {
            number,
            handle,
            guarantee: options.guarantee,
            in_hand: options.in_hand.get(),
            held: 0,
            slot: None,
            wake: Arc::default(),
        }
    }

    fn has_room(&self) -> bool {
        self.held < self.in_hand
    }
}

impl Queue {
    pub(super) fn new(topic: Arc<str>, kind: Kind, lossy: bool, ordered: bool) -> Self {
        Self {
            topic,
            kind,
            lossy,
            ordered,
            waiting: VecDeque::new(),
            busy: HashSet::new(),
            members: Vec::new(),
            turns: VecDeque::new(),
        }
    }

    /// The members of a group ask for the same, and what waits is not to get lost.
    pub(super) fn agree(&mut self, lossy: bool, ordered: bool) -> Result<()> {
        if self.members.is_empty() && (self.waiting.is_empty() || lossy == self.lossy) {
            (self.lossy, self.ordered) = (lossy, ordered);
            return Ok(());
        }
        if (self.lossy, self.ordered) == (lossy, ordered) {
            return Ok(());
        }
        let says = |lossy, ordered| {
            let guarantee = if lossy { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce };
            format!("{guarantee}, {}", if ordered { "in order" } else { "in any order" })
        };
        Err(Error::failed_precondition(format!(
            "the members of the group `{}` of the topic `{}` were given events {}, and this one asks for them {}: let \
             all members ask for the same, or give this one another group",
            self.kind.group(),
            self.topic,
            says(self.lossy, self.ordered),
            says(lossy, ordered)
        )))
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Nobody takes anything out of it.
    pub(super) fn is_abandoned(&self) -> bool {
        self.members.is_empty()
    }

    /// Nobody ever will.
    pub(super) fn is_over(&self) -> bool {
        self.members.is_empty() && (self.lossy || self.kind == Kind::Alone)
    }

    pub(super) fn members_of(&self, handle: u64) -> impl Iterator<Item = u64> {
        self.members.iter().filter(move |member| member.handle == handle).map(|member| member.number)
    }

    pub(super) fn join(&mut self, member: Member) {
        self.members.push(member);
    }

    /// A member takes no more.
    pub(super) fn leave(&mut self, number: u64) {
        let Some(place) = self.members.iter().position(|member| member.number == number) else { return };
        let member = self.members.remove(place);
        self.turns.retain(|waits| *waits != number);
        if let Some(item) = member.slot {
            self.put_back(item);
        }
        member.wake.notify_one();
    }

    pub(super) fn push(&mut self, item: Item) {
        self.waiting.push_back(item);
        self.give();
    }

    /// A member asks for its next event.
    pub(super) fn next(&mut self, number: u64) -> Turn {
        let Some(member) = self.member(number) else { return Turn::Over };
        let (wake, guarantee) = (member.wake.clone(), member.guarantee);
        if let Some(item) = member.slot.take() {
            return Turn::Take(item, guarantee);
        }
        if !self.turns.contains(&number) {
            self.turns.push_back(number);
            self.give();
        }
        match self.member(number).and_then(|member| member.slot.take()) {
            Some(item) => Turn::Take(item, guarantee),
            None => Turn::Wait(wake, self.rested()),
        }
    }

    /// A member does not wait any more, and may not come again.
    pub(super) fn stop_waiting(&mut self, number: u64) {
        self.turns.retain(|waits| *waits != number);
        let Some(member) = self.member(number) else { return };
        if let Some(item) = member.slot.take() {
            member.held -= 1;
            self.put_back(item);
        }
    }

    /// A delivery was acknowledged.
    pub(super) fn done(&mut self, number: u64, key: Option<&str>) {
        self.let_go(number, key);
        self.give();
    }

    /// A delivery was dropped, or rests until then. What rests lets others pass.
    pub(super) fn give_back(&mut self, number: u64, mut item: Item, rests: Option<Instant>) {
        self.let_go(number, item.envelope.key());
        item.attempts = item.attempts.saturating_add(1);
        item.not_to = Some(number).filter(|_| rests.is_none());
        item.rests = rests;
        // In order it keeps its place, and so do those behind it with its key.
        if rests.is_some() && !self.ordered {
            self.waiting.push_back(item);
        } else {
            self.waiting.push_front(item);
        }
        if rests.is_some() {
            // Those that wait have to know until when.
            let waits = |member: &&Member| self.turns.contains(&member.number);
            self.members.iter().filter(waits).for_each(|member| member.wake.notify_one());
        }
        self.give();
    }

    fn let_go(&mut self, number: u64, key: Option<&str>) {
        if let Some(key) = key {
            self.busy.remove(key);
        }
        if let Some(member) = self.member(number) {
            member.held = member.held.saturating_sub(1);
        }
    }

    /// What was given to a member that did not look at it.
    fn put_back(&mut self, item: Item) {
        if let Some(key) = item.envelope.key() {
            self.busy.remove(key);
        }
        self.waiting.push_front(item);
        self.give();
    }

    /// When the first of those that rest may go out.
    fn rested(&self) -> Option<Instant> {
        self.waiting.iter().filter_map(|item| item.rests).min()
    }

    /// Gives out what has rested.
    pub(super) fn look_again(&mut self) {
        let now = Instant::now();
        for item in self.waiting.iter_mut().filter(|item| item.rests.is_some_and(|until| until <= now)) {
            item.rests = None;
        }
        self.give();
    }

    fn member(&mut self, number: u64) -> Option<&mut Member> {
        self.members.iter_mut().find(|member| member.number == number)
    }

    /// Gives what waits to those who wait.
    fn give(&mut self) {
        while let Some((event, turn)) = self.pair() {
            let Some(item) = self.waiting.remove(event) else { return };
            let Some(number) = self.turns.remove(turn) else { return };
            if let Some(key) = item.envelope.key().filter(|_| self.ordered) {
                self.busy.insert(key.to_owned());
            }
            if let Some(member) = self.member(number) {
                member.held += 1;
                member.slot = Some(item);
                member.wake.notify_one();
            }
        }
    }

    /// The first event that may go out. What rests holds up those behind it with its key, where they are kept in order.
    fn first_free(&self) -> Option<usize> {
        let (now, mut resting) = (Instant::now(), HashSet::new());
        for (place, item) in self.waiting.iter().enumerate() {
            let key = item.envelope.key().filter(|_| self.ordered);
            if item.rests.is_some_and(|until| now < until) {
                resting.extend(key);
            } else if key.is_none_or(|key| !self.busy.contains(key) && !resting.contains(key)) {
                return Some(place);
            }
        }
        None
    }

    /// The first event that may go out, and the member whose turn it is.
    fn pair(&self) -> Option<(usize, usize)> {
        if self.turns.is_empty() {
            return None;
        }
        let event = self.first_free()?;
        let has_room =
            |number: &u64| self.members.iter().any(|member| member.number == *number && member.has_room());
        let not_to = self.waiting[event].not_to;
        let other = |number: &u64| Some(*number) != not_to && has_room(number);
        let turn = self.turns.iter().position(other).or_else(|| self.turns.iter().position(has_room))?;
        Some((event, turn))
    }
}

//! The state of a group against what must hold whatever its members do.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use tokio::time::Instant;

use super::progress::Progress;
use super::state::{State, Step};
use crate::broker::Envelope;
use crate::events::Stored;

const ACK_WAIT: Duration = Duration::from_secs(30);
const LIMIT: usize = 4;

#[derive(Clone, Debug)]
enum Act {
    Publish(u8),
    Take(u8),
    Ack(u8),
    Drop(u8),
    GiveBack(u8, u8),
    Extend(u8),
    Wait(u8),
    Leave(u8),
    Join,
    /// The process ends, and another one goes on with what was saved, now or earlier.
    Crash {
        saved_before: bool,
    },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => any::<u8>().prop_map(Act::Publish),
        12 => any::<u8>().prop_map(Act::Take),
        8 => any::<u8>().prop_map(Act::Ack),
        3 => any::<u8>().prop_map(Act::Drop),
        2 => any::<(u8, u8)>().prop_map(|(which, seconds)| Act::GiveBack(which, seconds)),
        1 => any::<u8>().prop_map(Act::Extend),
        2 => any::<u8>().prop_map(Act::Wait),
        1 => any::<u8>().prop_map(Act::Leave),
        2 => Just(Act::Join),
        1 => any::<bool>().prop_map(|saved_before| Act::Crash { saved_before }),
    ];
    prop::collection::vec(act, 1..200)
}

/// A group, and what is known of it from outside.
struct World {
    state: State,
    saved: Progress,
    log: Vec<Stored>,
    now: Instant,
    members: Vec<u64>,
    /// What is in hand: the offset, the hold, the member, and until when.
    held: Vec<(u64, u64, u64, Instant)>,
    acknowledged: BTreeSet<u64>,
    /// How often each event was delivered, and acknowledgements that a crash may have lost.
    delivered: BTreeMap<u64, u32>,
    ordered: bool,
}

impl World {
    fn new(ordered: bool) -> Self {
        let saved = Progress::beginning(1, 1);
        let mut state = State::new(&saved, ordered, ACK_WAIT);
        let members = vec![state.join(LIMIT), state.join(LIMIT)];
        Self {
            state,
            saved,
            log: Vec::new(),
            now: Instant::now(),
            members,
            held: Vec::new(),
            acknowledged: BTreeSet::new(),
            delivered: BTreeMap::new(),
            ordered,
        }
    }

    fn publish(&mut self, key: u8) {
        let offset = self.log.len() as u64 + 1;
        let envelope = Envelope::new("x").with(Envelope::CE_KEY, (key % 3).to_string());
        self.log.push(Stored { offset, time: SystemTime::UNIX_EPOCH, envelope });
    }

    /// As the group does it: fetched, saved, and delivered only then.
    fn refill(&mut self) {
        let wanted = self.state.wanted(self.log.len() as u64 + 1);
        if wanted > 0 {
            let from = usize::try_from(self.state.cursor - 1).unwrap();
            let events = self.log.iter().skip(from).take(wanted).cloned().collect();
            assert_eq!(self.state.fetched(1, events), 0);
            self.saved = self.state.progress(true);
            self.state.release_fresh();
        }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        self.held.retain(|(.., until)| *until > now);
    }

    fn take(&mut self, which: u8) -> Result<bool, TestCaseError> {
        let Some(member) = self.members.get(usize::from(which) % self.members.len().max(1)).copied() else {
            return Ok(false);
        };
        self.refill();
        let Step::Deliver(taken) = self.state.take(member, self.now) else { return Ok(false) };
        let offset = taken.stored.offset;
        prop_assert!(!self.acknowledged.contains(&offset), "{} was acknowledged", offset);
        prop_assert!(self.held.iter().all(|(held, ..)| *held != offset), "{} is in two hands", offset);
        let before = self.delivered.entry(offset).or_default();
        prop_assert!(
            *before == 0 || taken.attempts_before > 0,
            "{} does not say that it comes again",
            offset
        );
        *before += 1;
        if self.ordered {
            let key = taken.stored.envelope.key();
            let earlier = self.log.iter().take_while(|stored| stored.offset < offset);
            for stored in earlier.filter(|stored| stored.envelope.key() == key) {
                prop_assert!(
                    self.acknowledged.contains(&stored.offset),
                    "{} passed {}",
                    offset,
                    stored.offset
                );
            }
        }
        self.held.push((offset, taken.hold, member, self.now + ACK_WAIT));
        let in_hand = self.held.iter().filter(|(_, _, whose, _)| *whose == member).count();
        prop_assert!(in_hand <= LIMIT, "{} in hand", in_hand);
        Ok(true)
    }

    fn pick(&mut self, which: u8) -> Option<(u64, u64, u64, Instant)> {
        let which = usize::from(which).checked_rem(self.held.len())?;
        Some(self.held.swap_remove(which))
    }

    fn act(&mut self, act: &Act) -> Result<(), TestCaseError> {
        match *act {
            Act::Publish(key) => self.publish(key),
            Act::Take(which) => _ = self.take(which)?,
            Act::Ack(which) => {
                if let Some((offset, hold, ..)) = self.pick(which) {
                    self.state.ack(offset, hold);
                    self.acknowledged.insert(offset);
                }
            }
            Act::Drop(which) => {
                if let Some((offset, hold, ..)) = self.pick(which) {
                    self.state.give_back(offset, hold, Duration::ZERO, self.now);
                }
            }
            Act::GiveBack(which, seconds) => {
                if let Some((offset, hold, ..)) = self.pick(which) {
                    self.state.give_back(offset, hold, Duration::from_secs(u64::from(seconds)), self.now);
                }
            }
            Act::Extend(which) => {
                if let Some((offset, hold, member, _)) = self.pick(which) {
                    self.state.extend(offset, hold, self.now);
                    self.held.push((offset, hold, member, self.now + ACK_WAIT));
                }
            }
            Act::Wait(seconds) => self.pass(Duration::from_secs(u64::from(seconds))),
            Act::Leave(which) => {
                if self.members.len() > 1 {
                    let which = usize::from(which) % self.members.len();
                    self.state.leave(self.members.swap_remove(which));
                }
            }
            Act::Join => {
                if self.members.len() < 4 {
                    self.members.push(self.state.join(LIMIT));
                }
            }
            Act::Crash { saved_before } => {
                // One that waited for another with its key may be delivered before that is saved.
                if !saved_before || self.ordered {
                    self.saved = self.state.progress(true);
                }
                self.state = State::new(&self.saved, self.ordered, ACK_WAIT);
                self.held.clear();
                let done = self.saved.to_done();
                // What was not saved comes again.
                self.acknowledged.retain(|offset| done.contains(*offset));
                self.members = vec![self.state.join(LIMIT)];
            }
        }
        Ok(())
    }

    /// All that is left comes, to whoever is there.
    fn finish(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..self.log.len() * 4 + 8 {
            while self.take(0)? {}
            while let Some((offset, hold, ..)) = self.pick(0) {
                self.state.ack(offset, hold);
                self.acknowledged.insert(offset);
            }
            self.pass(Duration::from_secs(300));
        }
        let all: BTreeSet<u64> = (1..=self.log.len() as u64).collect();
        prop_assert_eq!(&self.acknowledged, &all);
        let end = self.state.progress(false);
        prop_assert_eq!((end.position, end.done.len(), end.attempts.len()), (all.len() as u64 + 1, 0, 0));
        Ok(())
    }
}

proptest! {
    #[test]
    fn every_event_comes_until_it_is_acknowledged_and_is_in_one_hand_at_a_time(acts in acts(), ordered in any::<bool>()) {
        let mut world = World::new(ordered);
        for act in &acts {
            world.act(act)?;
        }
        world.finish()?;
    }
}

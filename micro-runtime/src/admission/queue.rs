//! Calls that wait for room, those that matter most first.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use super::limiter::{Limiter, Room, Slot};
use crate::context::Priority;

/// A bounded queue in front of a limit.
#[derive(Debug)]
pub(super) struct Queue {
    most: usize,
    longest: Duration,
    /// How many are in it. Those that leave look here, so that nothing is locked where nobody waits.
    count: AtomicUsize,
    waiting: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    last: u64,
    waiting: BTreeMap<Place, oneshot::Sender<Slot>>,
}

/// A place in the line: the best is the smallest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    /// From the highest priority down.
    rank: u8,
    number: u64,
}

impl Place {
    fn priority(self) -> Priority {
        Priority::ALL[usize::from(3 - self.rank.min(3))]
    }
}

/// A call in the line, until it is dropped.
#[derive(Debug)]
pub(super) struct Waiting {
    limiter: Arc<Limiter>,
    place: Place,
    room: oneshot::Receiver<Slot>,
}

/// Why a call waits no longer, and has no room.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Ended {
    TooLong,
    Displaced,
}

impl Queue {
    pub(super) fn new(most: usize, longest: Duration) -> Self {
        Self { most, longest, count: AtomicUsize::new(0), waiting: Mutex::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::SeqCst) == 0
    }

    pub(super) fn is_full(&self) -> bool {
        self.count.load(Ordering::SeqCst) >= self.most
    }

    /// Gets into the line, unless there is room.
    pub(super) fn enter(&self, limiter: &Arc<Limiter>, priority: Priority) -> Room {
        let rank = 3 - priority as u8;
        let mut line = self.lock();
        // Said before it is looked whether there is room: who leaves behind that look sees that somebody waits.
        self.count.fetch_add(1, Ordering::SeqCst);
        self.hand_out(&mut line, limiter);
        let is_next = line.waiting.first_key_value().is_none_or(|(first, _)| rank < first.rank);
        if is_next && let Some(slot) = limiter.take(priority) {
            self.count.fetch_sub(1, Ordering::SeqCst);
            return Room::Had(slot);
        }
        if line.waiting.len() >= self.most {
            match line.waiting.last_entry() {
                // Who waits there hears of it, because what it waits for is dropped.
                Some(last) if last.key().rank > rank => drop(last.remove()),
                _ => {
                    self.count.fetch_sub(1, Ordering::SeqCst);
                    return Room::None;
                }
            }
            self.count.fetch_sub(1, Ordering::SeqCst);
        }
        line.last += 1;
        let place = Place { rank, number: line.last };
        let (sender, room) = oneshot::channel();
        line.waiting.insert(place, sender);
        Room::Waits(Waiting { limiter: limiter.clone(), place, room })
    }

    /// There may be room for those that wait.
    pub(super) fn left(&self, limiter: &Arc<Limiter>) {
        if !self.is_empty() {
            self.hand_out(&mut self.lock(), limiter);
        }
    }

    /// Gives room to those in front, as long as there is any.
    fn hand_out(&self, line: &mut Line, limiter: &Arc<Limiter>) {
        while let Some(first) = line.waiting.first_entry() {
            let Some(slot) = limiter.take(first.key().priority()) else { return };
            self.count.fetch_sub(1, Ordering::SeqCst);
            // Who has gone in the meantime does not take it. Dropping it would come back here.
            if let Err(slot) = first.remove().send(slot) {
                slot.give_back();
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Line> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Waits for room.
    pub(super) async fn wait(mut self) -> Result<Slot, Ended> {
        match timeout(self.longest(), &mut self.room).await {
            Ok(room) => room.map_err(|_| Ended::Displaced),
            Err(_) => Err(Ended::TooLong),
        }
    }

    /// How many calls run at a time where it waits.
    pub(super) fn max(&self) -> usize {
        self.limiter.max
    }

    /// How long it waits at the most.
    pub(super) fn longest(&self) -> Duration {
        self.limiter.queue().map(|queue| queue.longest).unwrap_or_default()
    }

    /// What came of it so far.
    #[cfg(test)]
    pub(super) fn look(&mut self) -> Option<Result<Slot, Ended>> {
        match self.room.try_recv() {
            Ok(slot) => Some(Ok(slot)),
            Err(oneshot::error::TryRecvError::Empty) => None,
            Err(oneshot::error::TryRecvError::Closed) => Some(Err(Ended::Displaced)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(queue) = self.limiter.queue() else { return };
        // Room that was given and not taken is dropped behind this, when nothing is locked.
        if let Entry::Occupied(waiting) = queue.lock().waiting.entry(self.place) {
            waiting.remove();
            queue.count.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

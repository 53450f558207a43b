//! So many calls at a time, and no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::queue::{Queue, Waiting};
use crate::context::Priority;

/// A limit of how many calls run at a time.
#[derive(Debug)]
pub(super) struct Limiter {
    pub(super) max: usize,
    /// How many may run when one of this priority comes, by the number of the priority.
    rooms: [usize; 4],
    taken: AtomicUsize,
    queue: Option<Queue>,
}

/// What became of a call that asked for room.
pub(super) enum Room {
    Had(Slot),
    /// It gets room when it is its turn.
    Waits(Waiting),
    /// There is none.
    None,
}

/// The room of one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot(Option<Arc<Limiter>>);

/// How much of `max` a call of each priority may find in use. At least one always fits.
pub(super) fn rooms(max: usize, percent: [u8; 4]) -> [usize; 4] {
    // Without an overflow, whatever `max` is.
    percent.map(|percent| (max as u128 * u128::from(percent)).div_ceil(100) as usize)
}

impl Limiter {
    pub(super) fn new(max: usize, percent: [u8; 4], queue: Option<Queue>) -> Self {
        Self { max, rooms: rooms(max, percent), taken: AtomicUsize::new(0), queue }
    }

    /// Asks for room.
    pub(super) fn ask(self: &Arc<Self>, priority: Priority) -> Room {
        match &self.queue {
            None => self.take(priority).map_or(Room::None, Room::Had),
            // Who comes now does not pass those that wait.
            Some(queue) if queue.is_empty() => match self.take(priority) {
                Some(slot) => Room::Had(slot),
                None => queue.enter(self, priority),
            },
            Some(queue) => queue.enter(self, priority),
        }
    }

    /// Whether a call that asked now would find no room, but a place in the queue. As far as one can tell without
    /// asking: others ask at the same moment.
    pub(super) fn makes_wait(&self, priority: Priority) -> bool {
        let is_full = || self.taken.load(Ordering::SeqCst) >= self.rooms[priority as usize];
        self.queue.as_ref().is_some_and(|queue| !queue.is_full() && (!queue.is_empty() || is_full()))
    }

    /// How many calls run.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(super) fn queue(&self) -> Option<&Queue> {
        self.queue.as_ref()
    }

    pub(super) fn take(self: &Arc<Self>, priority: Priority) -> Option<Slot> {
        let room = self.rooms[priority as usize];
        let more = |taken| (taken < room).then_some(taken + 1);
        // Together with the count of those that wait in one order: who leaves sees them, or they see who left.
        self.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).ok()?;
        Some(Slot(Some(self.clone())))
    }
}

impl Slot {
    /// Gives back what was not used, and does not look for who could use it.
    pub(super) fn give_back(mut self) {
        if let Some(limiter) = self.0.take() {
            limiter.taken.fetch_sub(1, Ordering::SeqCst);
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let Some(limiter) = self.0.take() else { return };
        limiter.taken.fetch_sub(1, Ordering::SeqCst);
        if let Some(queue) = &limiter.queue {
            queue.left(&limiter);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::admission::queue::Ended;

    const PERCENT: [u8; 4] = [80, 90, 95, 100];

    fn limiter(max: usize, queue: Option<usize>) -> Arc<Limiter> {
        let queue = queue.map(|most| Queue::new(most, Duration::from_secs(1)));
        Arc::new(Limiter::new(max, PERCENT, queue))
    }

    fn had(room: Room) -> Slot {
        match room {
            Room::Had(slot) => slot,
            _ => panic!("no room"),
        }
    }

    fn waits(room: Room) -> Waiting {
        match room {
            Room::Waits(waiting) => waiting,
            _ => panic!("it does not wait"),
        }
    }

    #[test]
    fn the_lower_the_priority_the_less_room_there_is() {
        let limiter = limiter(10, None);
        let take_all = |priority| std::iter::from_fn(|| limiter.take(priority)).collect::<Vec<_>>();
        let low = take_all(Priority::Low);
        let normal = take_all(Priority::Normal);
        let high = take_all(Priority::High);
        let critical = take_all(Priority::Critical);
        // 95 % of ten is ten: a part of a call is room for a call.
        assert_eq!((low.len(), normal.len(), high.len(), critical.len()), (8, 1, 1, 0));
        drop((low, normal, high, critical));
        assert_eq!(limiter.taken(), 0);
    }

    #[test]
    fn a_limit_of_any_size_has_room_for_one_call_of_any_priority() {
        for max in [1, 2, usize::MAX] {
            assert!(rooms(max, PERCENT).iter().all(|room| (1..=max).contains(room)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_wait_go_in_order_of_their_priority_and_then_of_their_coming() {
        let limiter = limiter(1, Some(8));
        let running = had(limiter.ask(Priority::Normal));
        let order = [Priority::Low, Priority::Normal, Priority::Critical, Priority::Normal];
        let [low, first, critical, second] = order.map(|priority| waits(limiter.ask(priority)));
        drop(running);
        for next in [critical, first, second, low] {
            let slot = next.wait().await.unwrap();
            assert_eq!(limiter.taken(), 1);
            drop(slot);
        }
        assert!(limiter.queue().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_does_not_pass_who_waits() {
        let limiter = limiter(10, Some(8));
        // Low calls fill their part, and one waits.
        let _running: Vec<_> = (0..8).map(|_| had(limiter.ask(Priority::Low))).collect();
        let _waiting = waits(limiter.ask(Priority::Low));
        // There is room for what matters more.
        let _normal = had(limiter.ask(Priority::Normal));
        let _next = waits(limiter.ask(Priority::Low));
    }

    #[tokio::test(start_paused = true)]
    async fn a_full_queue_gives_the_place_of_the_lowest_to_what_matters_more() {
        let limiter = limiter(1, Some(2));
        let running = had(limiter.ask(Priority::Normal));
        let (normal, low) = (waits(limiter.ask(Priority::Normal)), waits(limiter.ask(Priority::Low)));
        let high = waits(limiter.ask(Priority::High));
        assert_eq!(low.wait().await.unwrap_err(), Ended::Displaced);
        // Nobody is there that matters less than this.
        assert!(matches!(limiter.ask(Priority::Normal), Room::None));
        drop(running);
        drop(high.wait().await.unwrap());
        drop(normal.wait().await.unwrap());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waited_too_long_or_gave_up_leaves_its_place() {
        let limiter = limiter(1, Some(1));
        let running = had(limiter.ask(Priority::Normal));
        let start = tokio::time::Instant::now();
        assert_eq!(waits(limiter.ask(Priority::Normal)).wait().await.unwrap_err(), Ended::TooLong);
        assert_eq!(start.elapsed().as_secs(), 1);
        drop(waits(limiter.ask(Priority::Normal)));
        let waiting = waits(limiter.ask(Priority::Normal));
        // It gets the room, and does not take it any more.
        drop(running);
        drop(waiting);
        assert_eq!(limiter.taken(), 0);
        drop(had(limiter.ask(Priority::Normal)));
    }

    proptest! {
        #[test]
        fn no_more_run_than_may_and_nothing_is_lost(
            max in 1..6_usize,
            most in 0..4_usize,
            steps in vec((0..4_usize, 0..4_usize), 0..80),
        ) {
            let limiter = limiter(max, Some(most));
            let (mut running, mut waiting) = (Vec::new(), Vec::<Waiting>::new());
            for (step, which) in steps {
                match step {
                    0 | 1 => match limiter.ask(Priority::ALL[which]) {
                        Room::Had(slot) => running.push(slot),
                        Room::Waits(one) => waiting.push(one),
                        Room::None => {}
                    },
                    2 if !running.is_empty() => drop(running.swap_remove(which % running.len())),
                    3 if !waiting.is_empty() => drop(waiting.swap_remove(which % waiting.len())),
                    _ => {}
                }
                // Those that were given room while they waited have it.
                let mut still = Vec::new();
                for mut one in waiting {
                    match one.look() {
                        Some(Ok(slot)) => running.push(slot),
                        Some(Err(_)) => {}
                        None => still.push(one),
                    }
                }
                waiting = still;
                prop_assert!(running.len() <= max);
                prop_assert!(waiting.len() <= most);
                prop_assert_eq!(limiter.taken(), running.len());
                // Nobody waits for nothing: the first has no room.
                prop_assert!(waiting.is_empty() || running.len() >= rooms(max, PERCENT)[0]);
            }
            drop((running, waiting));
            prop_assert_eq!(limiter.taken(), 0);
            prop_assert!(limiter.queue().unwrap().is_empty());
        }
    }
}

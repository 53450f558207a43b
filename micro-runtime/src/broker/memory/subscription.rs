use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::task::coop::consume_budget;
use tokio::time::{Instant, timeout_at};

use super::Shared;
use super::queue::{Item, Turn};
use super::state::Place;
use crate::broker::{Acknowledge, Delivery, Guarantee, Subscription};
use crate::error::{Error, Result};

/// How long an event rests that was refused, before it is delivered again.
const REST: Duration = Duration::from_secs(5);

/// A subscription of a broker in memory.
pub(super) struct Reader {
    shared: Arc<Shared>,
    place: Place,
}

impl Reader {
    pub(super) fn new(shared: Arc<Shared>, place: Place) -> Self {
        Self { shared, place }
    }
}

#[async_trait]
impl Subscription for Reader {
    async fn next(&mut self) -> Option<Delivery> {
        // Whoever reads without ever having to wait lets others on.
        consume_budget().await;
        // A reader that goes away while it waits may not come back, and has no turn.
        let waiting = Waiting(self);
        loop {
            let (wake, rested) = match waiting.0.turn() {
                Turn::Take(item, guarantee) => return Some(waiting.0.deliver(item, guarantee)),
                Turn::Wait(wake, rested) => (wake, rested),
                Turn::Over => return None,
            };
            match rested {
                None => wake.notified().await,
                Some(rested) => {
                    // Where it is over, there is something to give out.
                    if timeout_at(rested, wake.notified()).await.is_err() {
                        waiting.0.look_again();
                    }
                }
            }
        }
    }

    async fn end(&mut self) -> Result<()> {
        self.shared.lock().leave(self.place);
        Ok(())
    }
}

impl Reader {
    fn turn(&self) -> Turn {
        let mut state = self.shared.lock();
        let Some(queue) = state.queues.get_mut(&self.place.queue) else { return Turn::Over };
        let turn = queue.next(self.place.member);
        if matches!(turn, Turn::Take(..)) {
            state.made_room(self.place.queue);
        }
        turn
    }

    fn look_again(&self) {
        if let Some(queue) = self.shared.lock().queues.get_mut(&self.place.queue) {
            queue.look_again();
        }
    }

    fn deliver(&self, item: Item, guarantee: Guarantee) -> Delivery {
        let (envelope, attempts) = (item.envelope.clone(), item.attempts);
        let held = Held { shared: self.shared.clone(), place: self.place, guarantee, item: Some(item) };
        Delivery::new(envelope, held).again(attempts)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.lock().leave(self.place);
    }
}

struct Waiting<'a>(&'a Reader);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut state = self.0.shared.lock();
        if let Some(queue) = state.queues.get_mut(&self.0.place.queue) {
            queue.stop_waiting(self.0.place.member);
        }
    }
}

/// A delivery that is in somebody's hand.
struct Held {
    shared: Arc<Shared>,
    place: Place,
    guarantee: Guarantee,
    /// The event, until it is known what becomes of it.
    item: Option<Item>,
}

impl Held {
    fn let_go(&mut self, handled: bool, rests: Option<Duration>) {
        let Some(item) = self.item.take() else { return };
        let mut state = self.shared.lock();
        let Some(queue) = state.queues.get_mut(&self.place.queue) else { return };
        if handled || self.guarantee == Guarantee::AtMostOnce {
            queue.done(self.place.member, item.envelope.key());
        } else {
            let rests = rests.and_then(|time| Instant::now().checked_add(time));
            queue.give_back(self.place.member, item, rests);
        }
    }
}

#[async_trait]
impl Acknowledge for Held {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        self.let_go(true, None);
        Ok(())
    }

    async fn refuse(mut self: Box<Self>, _: &Error) {
        self.let_go(false, Some(REST));
    }

    async fn give_back(mut self: Box<Self>, after: Duration) {
        self.let_go(false, Some(after));
    }
}

/// Dropped without an answer: it goes to another member, or to the same one again.
impl Drop for Held {
    fn drop(&mut self) {
        self.let_go(false, None);
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("place", &self.place).finish_non_exhaustive()
    }
}

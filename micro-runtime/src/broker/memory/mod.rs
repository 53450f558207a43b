//! A broker in memory: for tests, and for services that live in one process.

mod queue;
mod state;
mod subscription;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::task::coop::consume_budget;

use self::state::{Offer, State};
use self::subscription::Reader;
use super::check::{check_group, check_headers, check_size, check_topic};
use super::{Abilities, Broker, Envelope, SubscribeOptions, Subscription, is_dead_letter};
use crate::error::{Error, Result};

/// How many events wait for a group or a subscription unless said otherwise.
const CAPACITY: usize = 1024;

/// How many bytes an event has at the most unless said otherwise: as many as a message of a call.
const LARGEST: usize = 4 * 1024 * 1024;

/// A broker in memory: for tests, and for services that live in one process.
///
/// Clones are the same broker; two made with [`Memory::new`] know nothing of each other. Each clone is like a connection
/// of its own: [`close`](Broker::close) ends the subscriptions that were made with it, and those of others stay.
///
/// It delivers at least once, keeps order by key, and keeps the events of a group that has no member, and dead
/// letters. All of that is gone with the process.
///
/// What waits is bounded. A publisher waits until each group and each subscription has room for its event, and then
/// all of them have it; who stops waiting has published it to nobody. A subscription that
/// [is at most once](super::Guarantee::AtMostOnce) never lets a publisher wait: where it is full, the newest event is
/// dropped for it and [counted](Self::dropped). A group that is full and has no member would let publishers wait for
/// ever, so publishing fails with `resource_exhausted`, until a member returns or the group is
/// [forgotten](Self::forget_group). Of each dead-letter topic 1,000 events are kept, and keeping more fails as well.
///
/// ```
/// use micro_runtime::broker::{Broker, Envelope, Memory, SubscribeOptions};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> micro_runtime::Result<()> {
/// let broker = Memory::new();
/// let mut greeted = broker.subscribe(SubscribeOptions::new("greeted").group("audit")).await?;
/// broker.publish("greeted", Envelope::new("Ada")).await?;
///
/// let delivery = greeted.next().await.expect("it is not closed");
/// assert_eq!(delivery.envelope.body, "Ada");
/// delivery.ack().await
/// # }
/// ```
pub struct Memory {
    shared: Arc<Shared>,
    handle: Arc<Handle>,
}

/// What all clones share.
#[derive(Debug)]
struct Shared {
    /// Never held while anything is awaited.
    state: Mutex<State>,
    handles: AtomicU64,
}

/// What one clone has.
#[derive(Debug)]
struct Handle {
    number: u64,
    closed: AtomicBool,
}

impl Memory {
    /// A new broker, on which a group has room for 1,024 events that wait, of up to 4 MiB each.
    pub fn new() -> Self {
        let shared = Shared { state: Mutex::new(State::new(CAPACITY, LARGEST)), handles: AtomicU64::new(0) };
        Self { handle: Arc::new(shared.handle()), shared: Arc::new(shared) }
    }

    /// The same where so many events wait for each group, and for each subscription without one, at the most; at
    /// least one.
    #[must_use]
    pub fn capacity(self, events: usize) -> Self {
        self.shared.lock().capacity = events.max(1);
        self
    }

    /// The same where an event has at most so many bytes, without its headers. A larger one is `invalid_argument`.
    #[must_use]
    pub fn largest(self, bytes: usize) -> Self {
        self.shared.lock().largest = bytes;
        self
    }

    /// How many events were dropped for subscriptions that are at most once and had no room for them, since the
    /// broker was made.
    pub fn dropped(&self) -> u64 {
        self.shared.lock().dropped
    }

    /// Forgets a group that has no member at the moment, with the events that wait for it. Says whether there was one.
    pub fn forget_group(&self, topic: &str, group: &str) -> bool {
        self.shared.lock().forget(topic, group)
    }

    fn check_open(&self) -> Result<()> {
        if self.handle.closed.load(Ordering::Acquire) {
            return Err(Error::failed_precondition(
                "the broker `memory` was closed: publish and subscribe with a clone that is open",
            ));
        }
        Ok(())
    }

    fn check(&self, topic: &str, envelope: &Envelope) -> Result<()> {
        self.check_open()?;
        check_topic(topic)?;
        check_headers(&envelope.headers)?;
        let largest = self.shared.lock().largest;
        check_size(envelope, largest)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn handle(&self) -> Handle {
        Handle { number: self.handles.fetch_add(1, Ordering::Relaxed), closed: AtomicBool::new(false) }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Memory {
    fn clone(&self) -> Self {
        Self { handle: Arc::new(self.shared.handle()), shared: self.shared.clone() }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.lock();
        f.debug_struct("Memory")
            .field("capacity", &state.capacity)
            .field("largest", &state.largest)
            .field("dropped", &state.dropped)
            .finish_non_exhaustive()
    }
}

#[async_trait]
impl Broker for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn abilities(&self) -> Abilities {
        Abilities::new().at_least_once().ordered().keeps()
    }

    async fn publish(&self, topic: &str, envelope: Envelope) -> Result<()> {
        // Whoever publishes without ever having to wait lets others on.
        consume_budget().await;
        self.check(topic, &envelope)?;
        if is_dead_letter(topic) {
            return self.shared.lock().keep(topic, envelope);
        }
        let (mut room, mut envelope) = match self.shared.lock().offer(topic, envelope)? {
            Offer::Taken => return Ok(()),
            Offer::Full(room, envelope) => (room, envelope),
        };
        loop {
            // It waits before it looks again, so that no room which comes meanwhile is missed. Where it goes away with
            // a notice in its hand, the notice passes on to the next one.
            let notified = room.clone().notified_owned();
            tokio::pin!(notified);
            notified.as_mut().enable();
            match self.shared.lock().offer(topic, envelope)? {
                Offer::Taken => return Ok(()),
                Offer::Full(now, back) => {
                    envelope = back;
                    if !Arc::ptr_eq(&room, &now) {
                        room = now;
                        continue;
                    }
                }
            }
            notified.await;
            self.check_open()?;
        }
    }

    async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()> {
        self.check(topic, &envelope)?;
        self.shared.lock().keep(topic, envelope)
    }

    async fn subscribe(&self, options: SubscribeOptions) -> Result<Box<dyn Subscription>> {
        self.check_open()?;
        check_topic(&options.topic)?;
        if let Some(group) = &options.group {
            check_group(group)?;
        }
        let place = self.shared.lock().join(&options, self.handle.number)?;
        Ok(Box::new(Reader::new(self.shared.clone(), place)))
    }

    async fn close(&self) -> Result<()> {
        self.handle.closed.store(true, Ordering::Release);
        self.shared.lock().leave_all(self.handle.number);
        Ok(())
    }
}

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::super::{Acknowledge, Delivery, Envelope, Guarantee, SubscribeOptions};
use super::announced::Announced;
use super::listener::Listening;
use crate::error::{Error, Result};

/// The events that wait for a subscription may take so many KiB in memory; room for the largest one is there anyway.
const ROOM: usize = 64 << 10;

/// The events that came for one subscription and are not acknowledged.
#[derive(Debug)]
pub(super) struct Queue {
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) guarantee: Guarantee,
    has_group: bool,
    ordered: bool,
    /// How many may wait.
    most: NonZeroUsize,
    /// How many may be in hand.
    hands: Arc<Semaphore>,
    /// KiB for those that are read and that wait.
    pub(super) room: Arc<Semaphore>,
    state: Mutex<State>,
    /// There may be something to take.
    changed: Notify,
    announced: Mutex<Option<Announced>>,
    /// It listens for as long as there is anything to answer.
    listening: Arc<Listening>,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// The keys of what is in hand, where the order matters.
    keys: HashSet<String>,
    ended: bool,
}

/// An event that came.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) envelope: Envelope,
    pub(super) attempts: u32,
    /// Whether the publisher sends it again where it has to, as ours do. Else that is up to this side.
    pub(super) heeds: bool,
    /// Who waits for what became of it; nobody where it is delivered at most once.
    pub(super) answer: Option<oneshot::Sender<Answer>>,
    /// The room that it takes until it is in hand.
    pub(super) _room: Option<OwnedSemaphorePermit>,
}

/// What became of an event.
#[derive(Debug)]
pub(super) enum Answer {
    Acknowledged,
    /// It was in hand and is given back.
    Returned,
    Refused(Error),
    /// It was not in hand, and the subscription is over.
    Over,
}

/// Why an event is not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NotTaken {
    Full,
    Over,
}

impl Queue {
    pub(super) fn new(
        id: String,
        options: &SubscribeOptions,
        most: NonZeroUsize,
        largest_request: usize,
        listening: Arc<Listening>,
    ) -> Self {
        let room = ROOM.max(kib(largest_request) as usize).min(Semaphore::MAX_PERMITS);
        Self {
            id,
            topic: options.topic.clone(),
            guarantee: options.guarantee,
            has_group: options.group.is_some(),
            ordered: options.ordered,
            most,
            hands: Arc::new(Semaphore::new(options.in_hand.get().min(Semaphore::MAX_PERMITS))),
            room: Arc::new(Semaphore::new(room)),
            state: Mutex::default(),
            changed: Notify::new(),
            announced: Mutex::default(),
            listening,
        }
    }

    pub(super) fn announced(&self, announced: Announced) {
        *self.announced.lock().unwrap_or_else(PoisonError::into_inner) = Some(announced);
    }

    /// Whether members of a group share the events.
    pub(super) fn has_group(&self) -> bool {
        self.has_group
    }

    /// Takes an event in. Those of publishers that do not send them again are bounded by the connections alone.
    pub(super) fn offer(&self, waiting: Waiting) -> Result<(), NotTaken> {
        let mut state = self.state();
        if state.ended {
            return Err(NotTaken::Over);
        }
        let bounded = waiting.heeds || waiting.answer.is_none();
        if bounded && state.waiting.len() >= self.most.get() {
            return Err(NotTaken::Full);
        }
        state.waiting.push_back(waiting);
        drop(state);
        self.changed.notify_one();
        Ok(())
    }

    /// The next event to work on; `None` where there will be none.
    pub(super) async fn next(self: &Arc<Self>) -> Option<Delivery> {
        loop {
            let hand = self.hands.clone().acquire_owned().await.ok()?;
            match self.take(hand) {
                Ok(delivery) => return Some(delivery),
                Err(true) => return None,
                Err(false) => self.changed.notified().await,
            }
        }
    }

    /// Takes an event out that may be worked on. Where there is none, says whether there will be none.
    fn take(self: &Arc<Self>, hand: OwnedSemaphorePermit) -> Result<Delivery, bool> {
        let mut state = self.state();
        let taken = loop {
            let State { waiting, keys, .. } = &*state;
            let is_free = |waiting: &Waiting| match waiting.envelope.key() {
                Some(key) if self.ordered => !keys.contains(key),
                _ => true,
            };
            let first = waiting.iter().position(is_free);
            let Some(taken) = first.and_then(|first| state.waiting.remove(first)) else {
                return Err(state.ended);
            };
            // Whoever sends it again and has given up does so already, or does not want to.
            if !taken.heeds || taken.answer.as_ref().is_none_or(|answer| !answer.is_closed()) {
                break taken;
            }
        };
        let Waiting { envelope, attempts, heeds, answer, .. } = taken;
        let key = envelope.key().filter(|_| self.ordered).map(str::to_owned);
        state.keys.extend(key.clone());
        drop(state);
        let again = (!heeds && answer.is_some()).then(|| envelope.clone());
        let in_hand = InHand { queue: self.clone(), key, attempts, answer, again, hand: Some(hand) };
        Ok(Delivery::new(envelope, in_hand).again(attempts))
    }

    /// Leaves the registry, and takes nothing any more. What waits goes to others.
    pub(super) async fn end(&self) {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(announced) = announced {
            announced.withdraw().await;
        }
        self.over();
    }

    /// The same, with nobody who waits for the registry.
    pub(super) fn over(&self) {
        drop(self.announced.lock().unwrap_or_else(PoisonError::into_inner).take());
        let mut state = self.state();
        state.ended = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        self.hands.close();
        self.room.close();
        self.listening.queues.remove(&self.id);
        self.changed.notify_one();
        let lost = waiting.iter().filter(|waiting| !waiting.heeds && waiting.answer.is_some()).count();
        if lost > 0 {
            let topic = self.topic.as_str();
            tracing::warn!(
                topic,
                lost,
                "a subscription ends, and programs that published these events do not send them again"
            );
        }
        for answer in waiting.into_iter().filter_map(|waiting| waiting.answer) {
            // Who is gone needs no answer.
            let _ = answer.send(Answer::Over);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many KiB, rounded up.
pub(super) fn kib(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(1024).max(1)).unwrap_or(u32::MAX)
}

/// An event that is in hand.
struct InHand {
    queue: Arc<Queue>,
    key: Option<String>,
    attempts: u32,
    answer: Option<oneshot::Sender<Answer>>,
    /// The event, where this side has to deliver it again.
    again: Option<Envelope>,
    hand: Option<OwnedSemaphorePermit>,
}

#[async_trait]
impl Acknowledge for InHand {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        self.answer(Answer::Acknowledged);
        Ok(())
    }

    async fn refuse(mut self: Box<Self>, error: &Error) {
        self.answer(Answer::Refused(Error::new(error.code(), error.message())));
    }
}

impl InHand {
    fn answer(&mut self, with: Answer) {
        if let Some(answer) = self.answer.take() {
            // A publisher that is gone sends it again, or does not want to.
            let _ = answer.send(with);
        }
    }

    fn put_back(&mut self) {
        if let Some(envelope) = self.again.take()
            && let Some(answer) = self.answer.take()
        {
            let mut state = self.queue.state();
            if !state.ended {
                let attempts = self.attempts.saturating_add(1);
                let again = Waiting { envelope, attempts, heeds: false, answer: Some(answer), _room: None };
                state.waiting.push_front(again);
                return;
            }
            self.answer = Some(answer);
        }
        self.answer(Answer::Returned);
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        // The key is free when the event has its place again: none of the same key overtakes it.
        if self.answer.is_some() {
            self.put_back();
        }
        if let Some(key) = self.key.take() {
            self.queue.state().keys.remove(&key);
        }
        drop(self.hand.take());
        self.queue.changed.notify_one();
    }
}

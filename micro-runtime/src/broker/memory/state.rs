use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::queue::{Item, Kind, Member, Queue};
use crate::broker::{Envelope, Guarantee, SubscribeOptions, is_dead_letter};
use crate::error::{Error, Result};

/// How many events are kept of each topic that [`keep`](crate::broker::Broker::keep) was called for.
const MOST_KEPT: usize = 1000;

/// All topics and their queues.
#[derive(Debug)]
pub(super) struct State {
    pub(super) capacity: usize,
    pub(super) largest: usize,
    pub(super) dropped: u64,
    topics: HashMap<Arc<str>, Topic>,
    pub(super) queues: HashMap<u64, Queue>,
    numbers: u64,
}

/// A topic is there as long as it has a queue or something that is kept.
#[derive(Debug, Default)]
struct Topic {
    queues: Vec<u64>,
    /// What is kept until somebody subscribes, where it is no dead-letter topic: those have a queue for it.
    kept: Vec<Envelope>,
    /// Where publishers wait for room.
    room: Arc<Notify>,
}

/// What became of an event.
pub(super) enum Offer {
    /// Every queue has it that should.
    Taken,
    /// None has it: there is no room, and this tells of some.
    Full(Arc<Notify>, Envelope),
}

/// Where a subscription is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) queue: u64,
    pub(super) member: u64,
}

impl State {
    pub(super) fn new(capacity: usize, largest: usize) -> Self {
        Self { capacity, largest, dropped: 0, topics: HashMap::new(), queues: HashMap::new(), numbers: 0 }
    }

    /// Puts an event into all queues of its topic, or into none.
    pub(super) fn offer(&mut self, topic: &str, envelope: Envelope) -> Result<Offer> {
        let Some(known) = self.topics.get(topic) else { return Ok(Offer::Taken) };
        let mut full = false;
        for queue in known.queues.iter().filter_map(|number| self.queues.get(number)) {
            if queue.lossy || queue.waiting() < self.capacity {
                continue;
            }
            if queue.is_abandoned() {
                return Err(abandoned(queue, self.capacity));
            }
            full = true;
        }
        if full {
            return Ok(Offer::Full(known.room.clone(), envelope));
        }
        self.put(topic, envelope);
        Ok(Offer::Taken)
    }

    /// Keeps an event until somebody takes it.
    pub(super) fn keep(&mut self, topic: &str, envelope: Envelope) -> Result<()> {
        if is_dead_letter(topic) {
            let queue = self.find_or_make(topic, &Kind::Shared, false, false);
            if self.queues.get(&queue).is_some_and(|queue| queue.waiting() >= MOST_KEPT) {
                return Err(too_many_kept(topic));
            }
            self.put(topic, envelope);
            return Ok(());
        }
        let known = self.topics.entry(topic.into()).or_default();
        let reliable = |number| self.queues.get(number).is_some_and(|queue| !queue.lossy);
        if !known.queues.iter().any(reliable) {
            if known.kept.len() >= MOST_KEPT {
                return Err(too_many_kept(topic));
            }
            known.kept.push(envelope);
            return Ok(());
        }
        match self.offer(topic, envelope)? {
            Offer::Taken => Ok(()),
            Offer::Full(..) => Err(Error::resource_exhausted(format!(
                "a subscription of the topic `{topic}` has no room for an event that is to be kept: it is too slow"
            ))),
        }
    }

    /// Makes a subscription a member of its queue.
    pub(super) fn join(&mut self, options: &SubscribeOptions, handle: u64) -> Result<Place> {
        let kind = match &options.group {
            _ if is_dead_letter(&options.topic) => Kind::Shared,
            Some(group) => Kind::Group(group.clone()),
            None => Kind::Alone,
        };
        let number = self.queue(&options.topic, &kind, options.guarantee, options.ordered)?;
        let kept = self
            .topics
            .get_mut(&*options.topic)
            .map(|topic| std::mem::take(&mut topic.kept))
            .unwrap_or_default();
        let member = self.number();
        if let Some(queue) = self.queues.get_mut(&number) {
            kept.into_iter().for_each(|envelope| queue.push(Item::new(envelope)));
            queue.join(Member::new(member, handle, options));
        }
        Ok(Place { queue: number, member })
    }

    /// Ends a subscription. What was not taken goes to others, or stays for its group.
    pub(super) fn leave(&mut self, place: Place) {
        let Some(queue) = self.queues.get_mut(&place.queue) else { return };
        queue.leave(place.member);
        if queue.is_over() {
            self.remove(place.queue);
        } else {
            // Publishers learn that nobody is left in a group.
            self.wake_publishers(place.queue);
        }
    }

    /// Ends all subscriptions of a handle, and the waiting of its publishers.
    pub(super) fn leave_all(&mut self, handle: u64) {
        let places: Vec<_> = self
            .queues
            .iter()
            .flat_map(|(number, queue)| {
                queue.members_of(handle).map(|member| Place { queue: *number, member })
            })
            .collect();
        places.into_iter().for_each(|place| self.leave(place));
        self.topics.values().for_each(|topic| topic.room.notify_waiters());
    }

    pub(super) fn forget(&mut self, topic: &str, group: &str) -> bool {
        let wanted = Kind::Group(group.to_owned());
        let found = self.topics.get(topic).and_then(|known| {
            let is_it =
                |number: &&u64| self.queues.get(number).is_some_and(|q| q.kind == wanted && q.is_abandoned());
            known.queues.iter().find(is_it).copied()
        });
        found.map(|number| self.remove(number)).is_some()
    }

    /// Something was taken out of a queue, so that there is room.
    pub(super) fn made_room(&self, queue: u64) {
        if let Some(topic) = self.queues.get(&queue).and_then(|queue| self.topics.get(&queue.topic)) {
            topic.room.notify_one();
        }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.topics.is_empty() && self.queues.is_empty()
    }

    fn wake_publishers(&self, queue: u64) {
        if let Some(topic) = self.queues.get(&queue).and_then(|queue| self.topics.get(&queue.topic)) {
            topic.room.notify_waiters();
        }
    }

    fn put(&mut self, topic: &str, envelope: Envelope) {
        let Some(known) = self.topics.get(topic) else { return };
        let Some((last, others)) = known.queues.split_last() else { return };
        for (number, envelope) in others
            .iter()
            .map(|number| (number, envelope.clone()))
            .collect::<Vec<_>>()
            .into_iter()
            .chain([(last, envelope)])
        {
            let Some(queue) = self.queues.get_mut(number) else { continue };
            if queue.lossy && queue.waiting() >= self.capacity {
                self.dropped += 1;
                continue;
            }
            queue.push(Item::new(envelope));
        }
    }

    /// The queue of a group, as it is or new.
    fn queue(&mut self, topic: &str, kind: &Kind, guarantee: Guarantee, ordered: bool) -> Result<u64> {
        let lossy = guarantee == Guarantee::AtMostOnce && *kind != Kind::Shared;
        let number = self.find_or_make(topic, kind, lossy, ordered);
        if let Some(queue) = self.queues.get_mut(&number) {
            queue.agree(lossy, ordered)?;
        }
        Ok(number)
    }

    fn find_or_make(&mut self, topic: &str, kind: &Kind, lossy: bool, ordered: bool) -> u64 {
        let numbers = self.topics.get(topic).map(|topic| topic.queues.as_slice()).unwrap_or_default();
        let is_it = |number: &&u64| self.queues.get(number).is_some_and(|queue| queue.kind == *kind);
        if let Some(number) = numbers.iter().find(is_it).copied().filter(|_| *kind != Kind::Alone) {
            return number;
        }
        let number = self.number();
        let topic: Arc<str> = topic.into();
        self.queues.insert(number, Queue::new(topic.clone(), kind.clone(), lossy, ordered));
        self.topics.entry(topic).or_default().queues.push(number);
        number
    }

    fn remove(&mut self, number: u64) {
        let Some(queue) = self.queues.remove(&number) else { return };
        let Some(topic) = self.topics.get_mut(&queue.topic) else { return };
        topic.queues.retain(|known| *known != number);
        topic.room.notify_waiters();
        if topic.queues.is_empty() && topic.kept.is_empty() {
            self.topics.remove(&queue.topic);
        }
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }
}

#[cold]
fn abandoned(queue: &Queue, capacity: usize) -> Error {
    let (topic, group) = (&queue.topic, queue.kind.group());
    Error::resource_exhausted(format!(
        "{capacity} events of the topic `{topic}` wait for the group `{group}`, which has no member any more: start \
         one, or forget the group with `Memory::forget_group`"
    ))
}

#[cold]
fn too_many_kept(topic: &str) -> Error {
    Error::resource_exhausted(format!(
        "{MOST_KEPT} events of the topic `{topic}` are kept already: subscribe to it, and see what they are"
    ))
}

//! Takes events from a queue, through all connections that it takes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use lapin::options::{BasicAckOptions, BasicCancelOptions, BasicConsumeOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::acknowledge::{InHand, Settle, give_back};
use super::fault::fault;
use super::link::{Link, Session};
use super::message::{attempts_before, envelope};
use super::topology::{Queue, limit};
use crate::broker::{Delivery, Guarantee, SubscribeOptions, Subscription};
use crate::error::Result;

/// The pause before the second try; each one after it is up to twice as long, and none longer than [`LONGEST`].
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

/// How long the server may take to end it.
const END: Duration = Duration::from_secs(5);

type Acknowledging = Pin<Box<dyn Future<Output = Option<lapin::message::Delivery>> + Send>>;

pub(super) struct Consuming {
    link: Arc<Link>,
    asked: SubscribeOptions,
    queue: Queue,
    /// How many may be in hand: one where they are in order.
    in_hand: usize,
    room: Arc<Semaphore>,
    active: Option<Active>,
    /// Tries that failed since the last event, and when the next one is due.
    failed: u32,
    due: Option<Instant>,
    /// An event that is delivered at most once, and that the server is being told of.
    acknowledging: Option<Acknowledging>,
    ended: bool,
}

/// As long as a connection lasts.
struct Active {
    session: Arc<Session>,
    channel: Channel,
    consumer: Consumer,
    queue: String,
}

impl Consuming {
    /// Begins, and returns when every event from now on comes here.
    pub(super) async fn begin(link: Arc<Link>, asked: SubscribeOptions) -> Result<Self> {
        let queue = Queue::of(&link.settings, &asked)?;
        let in_hand = if asked.ordered { 1 } else { asked.in_hand.get() };
        let room = Arc::new(Semaphore::new(in_hand.min(Semaphore::MAX_PERMITS)));
        let mut consuming = Self {
            link,
            asked,
            queue,
            in_hand,
            room,
            active: None,
            failed: 0,
            due: None,
            acknowledging: None,
            ended: false,
        };
        let active = consuming.open().await?;
        consuming.active = Some(active);
        Ok(consuming)
    }

    async fn open(&mut self) -> Result<Active> {
        let session = self.link.session().await?;
        let declaring = self.queue.declare(&session.connection, &self.link.settings, &self.asked.topic);
        let (channel, queue) = declaring.await?;
        limit(&channel, self.in_hand).await?;
        let (options, table) = (BasicConsumeOptions::default(), FieldTable::default());
        let consumer = channel.basic_consume(queue.as_str().into(), "".into(), options, table).await;
        let consumer = consumer.map_err(|error| fault(error, format_args!("consuming from `{queue}`")))?;
        Ok(Active { session, channel, consumer, queue })
    }

    /// Takes it up again, after a pause where that failed.
    async fn resume(&mut self) {
        if let Some(due) = self.due {
            sleep_until(due).await;
        }
        match self.open().await {
            Ok(active) => {
                tracing::info!(
                    topic = self.asked.topic,
                    queue = active.queue,
                    "events come from RabbitMQ again"
                );
                self.active = Some(active);
                self.due = None;
            }
            Err(error) => {
                tracing::warn!(topic = self.asked.topic, %error, "no events come from RabbitMQ; it is tried again");
                self.later();
            }
        }
    }

    /// Sets when it is tried again: after a random part of a pause that doubles ("full jitter",
    /// <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
    fn later(&mut self) {
        let most = SHORTEST.saturating_mul(1 << self.failed.min(10)).min(LONGEST);
        self.failed = self.failed.saturating_add(1);
        self.due = Some(Instant::now() + most.mul_f64(fastrand::f64()));
    }

    /// The next one of the connection as it is. `None` where that is lost, or the queue is gone.
    async fn arrived(active: &mut Active) -> Option<lapin::message::Delivery> {
        tokio::select! {
            biased;
            delivery = active.consumer.next() => delivery.and_then(|delivery| delivery.ok()),
            () = active.session.lost.cancelled() => None,
        }
    }

    fn hand_over(&self, delivery: lapin::message::Delivery, room: OwnedSemaphorePermit) -> Option<Delivery> {
        let lapin::message::Delivery { routing_key, redelivered, properties, data, acker, .. } = delivery;
        let attempts = attempts_before(&properties, redelivered);
        let envelope = envelope(routing_key.as_str(), &properties, data);
        let delivery = match self.asked.guarantee {
            Guarantee::AtMostOnce => Delivery::new(envelope, InHand(room)),
            Guarantee::AtLeastOnce => {
                let channel = self.active.as_ref()?.channel.clone();
                Delivery::new(envelope, Settle::new(acker, channel, room))
            }
        };
        Some(delivery.again(attempts))
    }
}

#[async_trait]
impl Subscription for Consuming {
    async fn next(&mut self) -> Option<Delivery> {
        let closed = self.link.closed.clone();
        loop {
            if self.ended || closed.is_cancelled() {
                return None;
            }
            let room = tokio::select! {
                biased;
                () = closed.cancelled() => return None,
                room = self.room.clone().acquire_owned() => room.ok()?,
            };
            let Some(active) = &mut self.active else {
                tokio::select! {
                    biased;
                    () = closed.cancelled() => return None,
                    () = self.resume() => continue,
                }
            };
            // What was begun when this was dropped comes first.
            let delivery = match &mut self.acknowledging {
                Some(acknowledging) => {
                    let delivery = acknowledging.await;
                    self.acknowledging = None;
                    let Some(delivery) = delivery else { continue };
                    Some(delivery)
                }
                None => tokio::select! {
                    biased;
                    () = closed.cancelled() => return None,
                    delivery = Self::arrived(active) => delivery,
                },
            };
            let Some(delivery) = delivery else {
                tracing::debug!(topic = self.asked.topic, "the connection to RabbitMQ or the queue is gone");
                self.active = None;
                self.later();
                continue;
            };
            if self.asked.guarantee == Guarantee::AtMostOnce && delivery.acker.usable() {
                self.acknowledging = Some(Box::pin(acknowledged(delivery)));
                continue;
            }
            self.failed = 0;
            return self.hand_over(delivery, room);
        }
    }

    async fn end(&mut self) -> Result<()> {
        self.ended = true;
        if let Some(active) = self.active.take() {
            let ending = end(active, self.queue.own);
            if timeout(END, ending).await.is_err() {
                tracing::debug!(topic = self.asked.topic, "RabbitMQ did not end a subscription in time");
            }
        }
        Ok(())
    }
}

impl Drop for Consuming {
    fn drop(&mut self) {
        if let Some(active) = self.active.take()
            && let Ok(runtime) = Handle::try_current()
        {
            let own = self.queue.own;
            runtime.spawn(async move { timeout(END, end(active, own)).await });
        }
    }
}

/// Tells the server, before anybody has it, that there is nothing to deliver again. `None` where that fails: then it is
/// delivered again, or it is lost.
async fn acknowledged(delivery: lapin::message::Delivery) -> Option<lapin::message::Delivery> {
    matches!(delivery.acker.ack(BasicAckOptions::default()).await, Ok(true)).then_some(delivery)
}

/// Takes no more, and gives back what nobody has seen.
async fn end(active: Active, own: bool) {
    let Active { channel, mut consumer, queue, session } = active;
    let cancelled = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default()).await;
    if cancelled.is_err() || !session.is_alive() {
        return;
    }
    // Nothing came after the answer.
    while let Some(Some(Ok(delivery))) = consumer.next().now_or_never() {
        give_back(&delivery.acker);
    }
    if own {
        let _ = channel.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await;
    }
}

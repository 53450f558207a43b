//! At most once: NATS as it is without JetStream.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use async_nats::{Message, Subscriber};
use async_trait::async_trait;
use futures_util::StreamExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::super::{Acknowledge, Delivery, SubscribeOptions, Subscription};
use super::message;
use crate::error::Result;
use crate::nats::link::Link;

/// So many events wait for their subscriber, and so many bytes. What comes on top is dropped.
const MOST_WAITING: usize = 64 << 10;
const MOST_BYTES: usize = 64 << 20;

/// What a waiting event takes beside its payload, about.
const FRAME: usize = 256;

/// How often it is said that events are dropped.
const SAY: Duration = Duration::from_secs(1);

/// A subscription of NATS.
#[derive(Debug)]
pub(super) struct Listener {
    link: Arc<Link>,
    waiting: mpsc::Receiver<Message>,
    bytes: Arc<AtomicUsize>,
    room: Arc<Semaphore>,
    pump: AbortHandle,
}

impl Listener {
    /// Begins. When this returns, the server knows.
    pub(super) async fn begin(
        link: Arc<Link>,
        options: SubscribeOptions,
        dropped: Arc<AtomicU64>,
    ) -> Result<Self> {
        let SubscribeOptions { topic, group, ordered, in_hand, .. } = options;
        link.ready().await?;
        let epoch = link.epoch();
        let subscribed = match group {
            Some(group) => link.client.queue_subscribe(topic.clone(), group).await,
            None => link.client.subscribe(topic.clone()).await,
        };
        let arriving = subscribed.map_err(|error| link.lost().with_source(error))?;
        link.echo.confirm(&link, epoch).await?;
        let (sender, waiting) = mpsc::channel(MOST_WAITING);
        let bytes = Arc::new(AtomicUsize::new(0));
        let pump = Pump { topic, sender, bytes: bytes.clone(), dropped };
        let pump = link.spawn(pump.run(arriving));
        let in_hand = if ordered { 1 } else { in_hand.get().min(Semaphore::MAX_PERMITS) };
        Ok(Self { link, waiting, bytes, room: Arc::new(Semaphore::new(in_hand)), pump })
    }
}

#[async_trait]
impl Subscription for Listener {
    async fn next(&mut self) -> Option<Delivery> {
        let next = async {
            let room = self.room.clone().acquire_owned().await.ok()?;
            let message = self.waiting.recv().await?;
            self.bytes.fetch_sub(message.payload.len() + FRAME, Ordering::Relaxed);
            let envelope = message::read(&message.payload, message.headers.as_ref());
            Some(Delivery::new(envelope, Held { _room: room }))
        };
        tokio::select! {
            biased;
            () = self.link.closed.cancelled() => None,
            delivery = next => delivery,
        }
    }

    async fn end(&mut self) -> Result<()> {
        self.pump.abort();
        self.waiting.close();
        while self.waiting.try_recv().is_ok() {}
        Ok(())
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.pump.abort();
    }
}

/// There is nothing to acknowledge; it only takes room.
struct Held {
    _room: OwnedSemaphorePermit,
}

#[async_trait]
impl Acknowledge for Held {
    async fn ack(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Takes events from the library, which would keep any number of bytes, and drops them without saying whose they were.
struct Pump {
    topic: String,
    sender: mpsc::Sender<Message>,
    bytes: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
}

impl Pump {
    async fn run(self, mut arriving: Subscriber) {
        let (mut unsaid, mut said) = (0_u64, None::<Instant>);
        while let Some(message) = arriving.next().await {
            let size = message.payload.len() + FRAME;
            let fits = self.bytes.load(Ordering::Relaxed).saturating_add(size) <= MOST_BYTES;
            if fits {
                self.bytes.fetch_add(size, Ordering::Relaxed);
                match self.sender.try_send(message) {
                    Ok(()) => continue,
                    Err(mpsc::error::TrySendError::Closed(_)) => return,
                    Err(mpsc::error::TrySendError::Full(_)) => {
                        self.bytes.fetch_sub(size, Ordering::Relaxed);
                    }
                }
            }
            self.dropped.fetch_add(1, Ordering::Relaxed);
            unsaid += 1;
            if said.is_none_or(|said| said.elapsed() >= SAY) {
                tracing::warn!(
                    topic = self.topic,
                    dropped = unsaid,
                    "events were dropped, because their subscriber is slow: ask for at-least-once where they matter"
                );
                (unsaid, said) = (0, Some(Instant::now()));
            }
        }
    }
}

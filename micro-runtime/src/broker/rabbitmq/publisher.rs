//! Hands events over, and waits until the server has them.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::task::{Context, Poll};

use arc_swap::ArcSwapOption;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{BasicProperties, Channel, Confirmation};
use tokio::runtime::Handle;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};

use super::fault::{PRECONDITION_FAILED, fault, reply, said};
use super::link::{Link, Session, closed};
use super::message::properties;
use super::names::check_topic;
use super::topology::{Queue, declare_exchange, open};
use crate::broker::check::check_size;
use crate::broker::{Envelope, is_dead_letter};
use crate::error::{Error, Result};

/// How much may be on its way to the server, in KiB: 64 MiB. An event is as large as its body, and one more.
const ROOM: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Publisher {
    pub(super) link: Link,
    ready: ArcSwapOption<Ready>,
    making: Mutex<()>,
    room: Arc<Semaphore>,
}

/// A channel on which the server confirms what it has.
#[derive(Debug)]
struct Ready {
    session: Arc<Session>,
    channel: Channel,
    /// The library counts an event and then sends it. Who comes in between would have the number of the other.
    turn: Lock<()>,
}

impl Publisher {
    pub(super) fn new(link: Link) -> Self {
        Self {
            link,
            ready: ArcSwapOption::empty(),
            making: Mutex::default(),
            room: Arc::new(Semaphore::new(ROOM)),
        }
    }

    /// Hands an event to all who subscribe to its topic.
    pub(super) async fn publish(&self, topic: &str, envelope: Envelope) -> Result<()> {
        if is_dead_letter(topic) {
            return self.keep(topic, envelope).await;
        }
        check_topic(topic)?;
        let properties = self.properties(&envelope)?;
        let room = self.room(&envelope).await?;
        let ready = self.ready().await?;
        let (topic, exchange) = (topic.to_owned(), self.link.settings.exchange.clone());
        let work = async move {
            let handed = ready.publish(&exchange, &topic, false, &envelope, properties).await;
            drop(room);
            handed
        };
        ToItsEnd(Some(Box::pin(work))).await
    }

    /// Puts an event into the queue that has the name of its topic.
    pub(super) async fn keep(&self, topic: &str, envelope: Envelope) -> Result<()> {
        check_topic(topic)?;
        let properties = self.properties(&envelope)?;
        let settings = self.link.settings.clone();
        let queue = Queue::dead_letters(&settings, topic)?;
        let room = self.room(&envelope).await?;
        let session = self.link.session().await?;
        let topic = topic.to_owned();
        let work = async move {
            // A channel of its own: a message that comes back does not say which one it is.
            let declared = async {
                let (channel, _) = queue.declare(&session.connection, &settings, &topic).await?;
                confirming(&channel).await?;
                Ok::<_, Error>(channel)
            };
            let channel = declared.await.map_err(Error::never_processed)?;
            let ready = Ready { session, channel, turn: Lock::default() };
            let handed = ready.publish("", &topic, true, &envelope, properties).await;
            drop(room);
            handed
        };
        ToItsEnd(Some(Box::pin(work))).await
    }

    /// Waits until all is confirmed, and ends the connection.
    pub(super) async fn close(&self) {
        let all = u32::try_from(ROOM).unwrap_or(u32::MAX);
        let _ = tokio::time::timeout(std::time::Duration::from_secs(5), self.room.acquire_many(all)).await;
        self.room.close();
        self.ready.store(None);
        self.link.close().await;
    }

    fn properties(&self, envelope: &Envelope) -> Result<BasicProperties> {
        check_size(envelope, self.link.settings.max_event_size)?;
        properties(envelope)
    }

    /// Waits until there is room for it.
    async fn room(&self, envelope: &Envelope) -> Result<OwnedSemaphorePermit> {
        let size = (envelope.body.len() / 1024 + 1).min(ROOM);
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.room.clone().acquire_many_owned(size).await.map_err(|_| closed())
    }

    async fn ready(&self) -> Result<Arc<Ready>> {
        let usable = |ready: &Arc<Ready>| ready.session.is_alive() && ready.channel.status().connected();
        if let Some(ready) = self.ready.load_full().filter(usable) {
            return Ok(ready);
        }
        let _making = self.making.lock().await;
        if let Some(ready) = self.ready.load_full().filter(usable) {
            return Ok(ready);
        }
        let session = self.link.session().await?;
        let fresh = async {
            // It may be gone since the last time.
            declare_exchange(&session.connection, &self.link.settings.exchange).await?;
            let channel = open(&session.connection).await?;
            confirming(&channel).await?;
            Ok::<_, Error>(channel)
        };
        let channel = fresh.await.map_err(Error::never_processed)?;
        let ready = Arc::new(Ready { session, channel, turn: Lock::default() });
        self.ready.store(Some(ready.clone()));
        Ok(ready)
    }
}

impl Ready {
    async fn publish(
        &self,
        exchange: &str,
        topic: &str,
        mandatory: bool,
        envelope: &Envelope,
        properties: BasicProperties,
    ) -> Result<()> {
        let options = BasicPublishOptions { mandatory, ..BasicPublishOptions::default() };
        let body = &envelope.body;
        let mut publishing =
            pin!(self.channel.basic_publish(exchange.into(), topic.into(), options, body, properties));
        let handing_over = std::future::poll_fn(|context| {
            let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
            publishing.as_mut().poll(context)
        });
        let confirmed = async { handing_over.await?.await };
        let confirmed = tokio::select! {
            biased;
            confirmed = confirmed => confirmed.map_err(|error| unconfirmed(error, body.len()))?,
            () = self.session.lost.cancelled() => {
                return Err(Error::unavailable(
                    "the connection to RabbitMQ was lost before it confirmed the event: it may have it or not",
                ));
            }
        };
        match confirmed {
            Confirmation::Ack(None) => Ok(()),
            Confirmation::Ack(Some(_)) => Err(Error::unavailable(format!(
                "RabbitMQ has no queue `{topic}` any more; it is made again with the next try"
            ))),
            Confirmation::Nack(_) => Err(Error::resource_exhausted(format!(
                "RabbitMQ refused the event: a queue that `{topic}` goes to is full"
            ))),
            Confirmation::NotRequested => Err(Error::internal("RabbitMQ: the channel confirms nothing")),
        }
    }
}

async fn confirming(channel: &Channel) -> Result<()> {
    let selected = channel.confirm_select(ConfirmSelectOptions::default()).await;
    selected.map_err(|error| fault(error, "confirms"))
}

/// All events that are on their way on a channel get the error that ends it; only one of them may be to blame.
#[cold]
fn unconfirmed(error: lapin::Error, size: usize) -> Error {
    let words = said(&error);
    if reply(&error) == Some(PRECONDITION_FAILED) && words.contains(&format!("size {size} ")) {
        return Error::invalid_argument(format!("RabbitMQ refused the event: {words}")).with_source(error);
    }
    Error::unavailable(format!("RabbitMQ did not confirm the event, it may have it or not: {words}"))
        .with_source(error)
}

/// Goes on without whoever waited for it: what was handed to the library is sent in any case, and needs room until then.
struct ToItsEnd<F: Future + Send + 'static>(Option<Pin<Box<F>>>)
where
    F::Output: Send;

impl<F: Future + Send + 'static> Future for ToItsEnd<F>
where
    F::Output: Send,
{
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let Some(work) = self.0.as_mut() else { return Poll::Pending };
        let ended = work.as_mut().poll(context);
        if ended.is_ready() {
            self.0 = None;
        }
        ended
    }
}

impl<F: Future + Send + 'static> Drop for ToItsEnd<F>
where
    F::Output: Send,
{
    fn drop(&mut self) {
        if let Some(work) = self.0.take()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(work);
        }
    }
}

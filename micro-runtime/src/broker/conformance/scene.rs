use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{sleep, timeout};

use super::process::Process;
use super::reader::Reader;
use super::{Fixture, Promises};
use crate::broker::{Abilities, Broker, Envelope, Guarantee, SubscribeOptions};
use crate::error::{Code, Error, Result};

/// What one scenario works with.
pub(super) struct Scene {
    pub(super) fixture: Arc<dyn Fixture>,
    /// A topic for this scenario alone.
    pub(super) topic: String,
    pub(super) promises: Promises,
    pub(super) abilities: Abilities,
    opened: Mutex<Vec<Arc<dyn Broker>>>,
}

impl Scene {
    pub(super) fn new(
        fixture: Arc<dyn Fixture>,
        topic: String,
        promises: Promises,
        abilities: Abilities,
    ) -> Self {
        Self { fixture, topic, promises, abilities, opened: Mutex::default() }
    }

    /// Another handle, which is closed after the scenario.
    pub(super) async fn broker(&self) -> Result<Arc<dyn Broker>> {
        let broker = self.fixture.broker().await?;
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).push(broker.clone());
        Ok(broker)
    }

    /// Another process, which can be lost.
    pub(super) fn process(&self) -> Result<Process> {
        Process::start(self.fixture.clone(), self.promises)
    }

    pub(super) async fn close(&self) {
        let opened = std::mem::take(&mut *self.opened.lock().unwrap_or_else(PoisonError::into_inner));
        join_all(opened.iter().map(|broker| timeout(self.promises.arrival, broker.close()))).await;
    }

    /// A subscription of the topic with the best guarantee that the driver has, without a group.
    pub(super) fn options(&self) -> SubscribeOptions {
        let best = if self.abilities.at_least_once { Guarantee::AtLeastOnce } else { Guarantee::AtMostOnce };
        SubscribeOptions::new(&self.topic).guarantee(best)
    }

    /// The same in a group.
    pub(super) fn grouped(&self, group: &str) -> SubscribeOptions {
        self.options().group(group)
    }

    pub(super) async fn read(&self, broker: &Arc<dyn Broker>, options: SubscribeOptions) -> Result<Reader> {
        let subscription = broker.subscribe(options).await?;
        self.noticed().await;
        Ok(Reader::new(subscription, self.promises))
    }

    /// Publishers know of the subscriptions that there are.
    pub(super) async fn noticed(&self) {
        if !self.promises.notice.is_zero() {
            sleep(self.promises.notice).await;
        }
    }

    /// Publishes to the topic, one after the other.
    ///
    /// Meanwhile the scenario reads: a driver may let a publisher wait until its event was handled.
    pub(super) fn publish(
        &self,
        broker: &Arc<dyn Broker>,
        events: impl IntoIterator<Item = Envelope>,
    ) -> Publishing {
        self.publish_in_lanes(broker, 1, events)
    }

    /// The same with so many on their way at once, in no order.
    pub(super) fn publish_in_lanes(
        &self,
        broker: &Arc<dyn Broker>,
        lanes: usize,
        events: impl IntoIterator<Item = Envelope>,
    ) -> Publishing {
        self.publishing(broker, lanes, events, false)
    }

    /// The same, again and again where the broker is away or has no room.
    pub(super) fn publish_stubbornly(
        &self,
        broker: &Arc<dyn Broker>,
        lanes: usize,
        events: impl IntoIterator<Item = Envelope>,
    ) -> Publishing {
        self.publishing(broker, lanes, events, true)
    }

    fn publishing(
        &self,
        broker: &Arc<dyn Broker>,
        lanes: usize,
        events: impl IntoIterator<Item = Envelope>,
        stubborn: bool,
    ) -> Publishing {
        let mut queues = vec![Vec::new(); lanes];
        for (number, event) in events.into_iter().enumerate() {
            queues[number % lanes].push(event);
        }
        let lane = |queue: Vec<Envelope>| {
            let (broker, topic) = (broker.clone(), self.topic.clone());
            tokio::spawn(async move {
                for event in queue {
                    publish_one(&broker, &topic, event, stubborn).await?;
                }
                Ok(())
            })
        };
        Publishing { lanes: queues.into_iter().map(lane).collect(), within: self.promises.scenario }
    }
}

async fn publish_one(broker: &Arc<dyn Broker>, topic: &str, event: Envelope, stubborn: bool) -> Result<()> {
    loop {
        match broker.publish(topic, event.clone()).await {
            Ok(()) => return Ok(()),
            Err(error) if stubborn && matches!(error.code(), Code::Unavailable | Code::ResourceExhausted) => {
                sleep(Duration::from_millis(50)).await;
            }
            Err(error) => {
                let id = event.id().unwrap_or("without an id");
                return Err(error.context(format_args!("publishing event {id}")));
            }
        }
    }
}

/// Events that are being published. Dropping it stops that.
pub(super) struct Publishing {
    lanes: Vec<JoinHandle<Result<()>>>,
    within: Duration,
}

impl Publishing {
    /// Waits until all are published.
    pub(super) async fn done(mut self) -> Result<()> {
        for lane in &mut self.lanes {
            let end = timeout(self.within, lane).await;
            let end = end.map_err(|_| Error::deadline_exceeded("publishing does not end"))?;
            end.map_err(|error| Error::internal(format!("publishing: {error}")))??;
        }
        Ok(())
    }

    pub(super) fn is_done(&self) -> bool {
        self.lanes.iter().all(JoinHandle::is_finished)
    }
}

impl Drop for Publishing {
    fn drop(&mut self) {
        self.lanes.iter().map(JoinHandle::abort_handle).for_each(|lane: AbortHandle| lane.abort());
    }
}

/// An event with an id.
pub(super) fn event(id: impl fmt::Display) -> Envelope {
    let id = id.to_string();
    Envelope::new(format!("body of {id}"))
        .with(Envelope::CONTENT_TYPE, "text/plain")
        .with(Envelope::CE_ID, id.clone())
        .with(Envelope::ID, id)
}

/// An event with an id and a key.
pub(super) fn keyed(key: impl fmt::Display, id: impl fmt::Display) -> Envelope {
    event(id).with(Envelope::CE_KEY, key.to_string())
}

/// The ids of so many events.
pub(super) fn ids(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

pub(super) fn events(count: usize) -> impl Iterator<Item = Envelope> {
    (0..count).map(event)
}

pub(super) fn expect<T: PartialEq + fmt::Debug>(what: &str, expected: T, seen: T) -> Result<()> {
    if expected == seen {
        return Ok(());
    }
    Err(Error::internal(format!("{what}: expected {expected:?} and saw {seen:?}")))
}

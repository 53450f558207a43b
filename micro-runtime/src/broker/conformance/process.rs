use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::reader::id;
use super::scene::event;
use super::{Fixture, Promises};
use crate::broker::{Broker, SubscribeOptions, Subscription};
use crate::error::{Error, Result};

/// A process that is lost without notice: a thread with a runtime of its own. When it ends, nothing that it does can
/// go on, and its connections are closed under it.
pub(super) struct Process {
    promises: Promises,
    work: mpsc::UnboundedSender<Work>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What it does.
enum Work {
    /// It reads so many events, and has no answer to any of them.
    Hold {
        options: SubscribeOptions,
        events: usize,
        subscribed: oneshot::Sender<Result<()>>,
        held: oneshot::Sender<Vec<String>>,
    },
    /// It publishes one event after the other, and says which of them were taken.
    Publish { topic: String, published: mpsc::UnboundedSender<String> },
}

/// Events that are in the hands of a process.
pub(super) struct Holding {
    promises: Promises,
    held: oneshot::Receiver<Vec<String>>,
}

impl Process {
    pub(super) fn start(fixture: Arc<dyn Fixture>, promises: Promises) -> Result<Self> {
        let (end, ended) = oneshot::channel::<()>();
        let (work, orders) = mpsc::unbounded_channel();
        let runtime = runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| Error::internal(format!("a runtime: {error}")))?;
        let thread = thread::spawn(move || {
            runtime.spawn(live(fixture, orders));
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        });
        Ok(Self { promises, work, end: Some(end), thread: Some(thread) })
    }

    /// Subscribes, and then takes so many events into its hands, as they come.
    pub(super) async fn hold(&self, options: SubscribeOptions, events: usize) -> Result<Holding> {
        let ((subscribed, is_subscribed), (held, hand)) = (oneshot::channel(), oneshot::channel());
        let gone = || Error::internal("a process that should live is gone");
        self.work.send(Work::Hold { options, events, subscribed, held }).map_err(|_| gone())?;
        let outcome = timeout(self.promises.arrival, is_subscribed).await;
        outcome.map_err(|_| Error::deadline_exceeded("subscribing does not end"))?.map_err(|_| gone())??;
        sleep(self.promises.notice).await;
        Ok(Holding { promises: self.promises, held: hand })
    }

    /// Publishes numbered events without an end. The ids of those that were taken come out of it.
    pub(super) fn publish(&self, topic: &str) -> Result<mpsc::UnboundedReceiver<String>> {
        let (published, ids) = mpsc::unbounded_channel();
        let work = Work::Publish { topic: topic.to_owned(), published };
        self.work.send(work).map_err(|_| Error::internal("a process that should live is gone"))?;
        Ok(ids)
    }

    /// It is lost.
    pub(super) async fn kill(mut self) -> Result<()> {
        drop(self.end.take());
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let end = tokio::task::spawn_blocking(move || thread.join()).await;
        end.map_err(|error| Error::internal(format!("the end of a process: {error}")))?
            .map_err(|_| Error::internal("a process that is lost panicked"))
    }
}

impl Holding {
    /// What it has, when it has everything that it was to take.
    pub(super) async fn ids(self) -> Result<Vec<String>> {
        let held = timeout(self.promises.arrival, self.held).await;
        let held = held.map_err(|_| Error::internal("the events did not come to a process"))?;
        held.map_err(|_| Error::internal("the subscription of a process ended"))
    }
}

/// Its hands stay full until it is lost.
async fn live(fixture: Arc<dyn Fixture>, mut orders: mpsc::UnboundedReceiver<Work>) {
    let mut hands = Vec::new();
    while let Some(work) = orders.recv().await {
        match work {
            Work::Hold { options, events, subscribed, held } => {
                let (broker, mut subscription) = match subscribe(&fixture, options).await {
                    Ok(both) => both,
                    Err(error) => {
                        let _ = subscribed.send(Err(error));
                        continue;
                    }
                };
                let _ = subscribed.send(Ok(()));
                let mut deliveries = Vec::new();
                while deliveries.len() < events {
                    let Some(delivery) = subscription.next().await else { break };
                    deliveries.push(delivery);
                }
                let _ = held.send(deliveries.iter().map(id).collect());
                hands.push((broker, subscription, deliveries));
            }
            Work::Publish { topic, published } => {
                let Ok(broker) = fixture.broker().await else { continue };
                for number in 0.. {
                    if broker.publish(&topic, event(number)).await.is_err() {
                        break;
                    }
                    let _ = published.send(number.to_string());
                }
            }
        }
    }
    std::future::pending::<()>().await;
}

async fn subscribe(
    fixture: &Arc<dyn Fixture>,
    options: SubscribeOptions,
) -> Result<(Arc<dyn Broker>, Box<dyn Subscription>)> {
    let broker = fixture.broker().await?;
    let subscription = broker.subscribe(options).await?;
    Ok((broker, subscription))
}

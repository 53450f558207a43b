use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::{Fixture, Promises};
use crate::broker::{Broker, SubscribeOptions};
use crate::error::{Error, Result};

/// A process that is lost without notice: a thread with a runtime of its own. When it ends, nothing that it does can
/// go on, and its connections are closed under it.
pub(super) struct Process {
    promises: Promises,
    work: mpsc::UnboundedSender<Work>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What it does: reads so many events without an answer to any of them.
struct Work {
    options: SubscribeOptions,
    events: usize,
    subscribed: oneshot::Sender<Result<()>>,
    held: oneshot::Sender<Vec<String>>,
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
        self.work.send(Work { options, events, subscribed, held }).map_err(|_| gone())?;
        let outcome = timeout(self.promises.arrival, is_subscribed).await;
        outcome.map_err(|_| Error::deadline_exceeded("subscribing does not end"))?.map_err(|_| gone())??;
        Ok(Holding { promises: self.promises, held: hand })
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

async fn live(fixture: Arc<dyn Fixture>, mut orders: mpsc::UnboundedReceiver<Work>) {
    let mut broker: Option<Arc<dyn Broker>> = None;
    let mut hands = Vec::new();
    let mut subscriptions = Vec::new();
    while let Some(work) = orders.recv().await {
        let made = match broker.take() {
            Some(broker) => Ok(broker),
            None => fixture.broker().await,
        };
        let subscribed = match &made {
            Ok(made) => made.subscribe(work.options).await,
            Err(error) => Err(Error::internal(error.to_string())),
        };
        broker = made.ok();
        let mut subscription = match subscribed {
            Ok(subscription) => subscription,
            Err(error) => {
                let _ = work.subscribed.send(Err(error));
                continue;
            }
        };
        let _ = work.subscribed.send(Ok(()));
        let mut ids = Vec::new();
        while ids.len() < work.events {
            let Some(delivery) = subscription.next().await else { break };
            ids.push(super::reader::id(&delivery));
            hands.push(delivery);
        }
        subscriptions.push(subscription);
        let _ = work.held.send(ids);
    }
    // It lives on until it is lost.
    std::future::pending::<()>().await;
}

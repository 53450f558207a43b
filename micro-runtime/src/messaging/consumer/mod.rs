//! The one place where events are tried, tried again and given up, whatever broker they come from.

mod dead_letter;
mod policy;
mod source;
mod work;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use dead_letter::{ATTEMPTS, GROUP, REASON, TIME, TOPIC, dead_letter_topic};
pub(crate) use policy::Policy;
pub use policy::{DEFAULT_ATTEMPTS, DEFAULT_CONCURRENCY};

pub(crate) use source::{OfBroker, OfLog, Source};

use super::counts::Counts;
use crate::broker::{Delivery, Subscription, check_topic};
use crate::endpoint::{Pace, Run};
use crate::error::{Error, Result};

/// What is given events.
pub(crate) trait Handle: Send + Sync + 'static {
    /// Handles one event, in the attempt with this number, counted from 1.
    fn handle(&self, delivery: &Delivery, attempt: u32) -> BoxFuture<'static, Ended>;
}

/// What became of an attempt.
#[derive(Debug)]
pub(crate) enum Ended {
    Handled,
    Failed(Error),
    /// Nobody was given the event: it was no attempt.
    Back,
}

impl From<Result<()>> for Ended {
    fn from(handled: Result<()>) -> Self {
        handled.map_or_else(Self::Failed, |()| Self::Handled)
    }
}

/// What a subscriber is, but for its handler.
pub(crate) struct Terms {
    pub(crate) source: Box<dyn Source>,
    pub(crate) policy: Policy,
    pub(crate) counts: Counts,
}

/// A subscriber that runs.
pub(crate) struct Consumer {
    /// Take nothing new.
    stop: CancellationToken,
    /// Give back what is in hand.
    cut: CancellationToken,
    task: JoinHandle<usize>,
}

impl Consumer {
    /// Subscribes, and hands over events from now on.
    pub(crate) async fn start(terms: Terms, handler: Arc<dyn Handle>) -> Result<Self> {
        // Its dead letters have to have a name, too.
        check_topic(&dead_letter_topic(terms.source.topic()))?;
        let subscription = terms.source.begin().await?;
        let (stop, cut) = (CancellationToken::new(), CancellationToken::new());
        let task = tokio::spawn(run(Arc::new(terms), handler, subscription, stop.clone(), cut.clone()));
        Ok(Self { stop, cut, task })
    }

    /// Takes no further events from now on.
    pub(crate) fn retire(&self) {
        self.stop.cancel();
    }

    /// Takes no further events, waits for the handlers of those in hand for this long, and gives the others back.
    /// Returns how many these were.
    pub(crate) async fn stop(mut self, patience: Duration) -> usize {
        self.retire();
        match timeout(patience, &mut self.task).await {
            Ok(ended) => ended.unwrap_or(0),
            Err(_) => {
                self.cut.cancel();
                (&mut self.task).await.unwrap_or(0)
            }
        }
    }
}

/// A subscriber that nobody stops goes with whoever had it.
impl Drop for Consumer {
    fn drop(&mut self) {
        self.stop.cancel();
        self.cut.cancel();
    }
}

async fn run(
    terms: Arc<Terms>,
    handler: Arc<dyn Handle>,
    mut subscription: Box<dyn Subscription>,
    stop: CancellationToken,
    cut: CancellationToken,
) -> usize {
    let room = Arc::new(Semaphore::new(terms.source.in_hand().get()));
    let (mut tasks, pace) = (JoinSet::new(), Pace::default());
    loop {
        let next = async {
            let permit = room.clone().acquire_owned().await.ok()?;
            Some((subscription.next().await?, permit))
        };
        let (delivery, permit) = tokio::select! {
            biased;
            () = stop.cancelled() => break,
            next = next => match next {
                Some(next) => next,
                None => {
                    let (topic, group) = (terms.source.topic(), terms.source.group());
                    tracing::warn!(topic, group, "a subscriber is given no further events: its broker was closed");
                    break;
                }
            },
        };
        let how = pace.next();
        begin(&mut tasks, &terms, &handler, delivery, permit, &stop, how).await;
        pace.ran(how);
        // Those that ended are not kept.
        while tasks.try_join_next().is_some() {}
    }
    let finish = async {
        if let Err(error) = subscription.end().await {
            tracing::warn!(topic = terms.source.topic(), %error, "could not unsubscribe");
        }
        while tasks.join_next().await.is_some() {}
    };
    // A broker that does not answer holds nobody up for longer than the handlers may.
    tokio::select! {
        () = finish => return 0,
        () = cut.cancelled() => {}
    }
    let left = tasks.len();
    tasks.shutdown().await;
    left
}

/// Works on an event: here as far as it goes without waiting, and then in a task of its own. Handlers that compute for
/// long have one from the start.
async fn begin(
    tasks: &mut JoinSet<()>,
    terms: &Arc<Terms>,
    handler: &Arc<dyn Handle>,
    delivery: Delivery,
    permit: OwnedSemaphorePermit,
    stop: &CancellationToken,
    how: Run,
) {
    let (terms, handler, stop) = (terms.clone(), handler.clone(), stop.clone());
    let mut work = Box::pin(async move {
        work::work(&terms, &*handler, delivery, &stop).await;
        drop(permit);
    });
    if how == Run::Apart || futures_util::poll!(work.as_mut()).is_pending() {
        tasks.spawn(work);
    }
}

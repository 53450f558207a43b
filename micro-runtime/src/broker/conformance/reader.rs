use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::Promises;
use super::scene::expect;
use super::tally::Tally;
use crate::broker::{Delivery, Subscription};
use crate::error::{Error, Result};

/// A subscription, and how long to wait for it.
pub(super) struct Reader {
    subscription: Box<dyn Subscription>,
    promises: Promises,
}

impl Reader {
    pub(super) fn new(subscription: Box<dyn Subscription>, promises: Promises) -> Self {
        Self { subscription, promises }
    }

    /// The next delivery, which must come.
    pub(super) async fn next(&mut self, what: &str) -> Result<Delivery> {
        self.next_within(self.promises.arrival, what).await
    }

    pub(super) async fn next_within(&mut self, within: Duration, what: &str) -> Result<Delivery> {
        match timeout(within, self.subscription.next()).await {
            Ok(Some(delivery)) => Ok(delivery),
            Ok(None) => Err(Error::internal(format!("{what} did not come: the subscription ended"))),
            Err(_) => Err(Error::internal(format!("{what} did not come in {within:?}"))),
        }
    }

    /// The next delivery, whenever it comes, and none where there are no more.
    pub(super) async fn any(&mut self) -> Option<Delivery> {
        self.subscription.next().await
    }

    /// The next delivery, acknowledged; its id.
    pub(super) async fn take(&mut self, what: &str) -> Result<String> {
        let delivery = self.next(what).await?;
        let id = id(&delivery);
        delivery.ack().await?;
        Ok(id)
    }

    /// So many events, acknowledged; their ids in the order in which they came.
    pub(super) async fn take_all(&mut self, count: usize) -> Result<Vec<String>> {
        let mut taken = Vec::with_capacity(count);
        while taken.len() < count {
            taken.push(self.take(&format!("event {} of {count}", taken.len() + 1)).await?);
        }
        Ok(taken)
    }

    /// So many events, in any order: exactly those with the numbers below.
    pub(super) async fn take_numbers(&mut self, count: usize) -> Result<()> {
        let mut taken = self.take_all(count).await?;
        let mut wanted = super::scene::ids(count);
        taken.sort();
        wanted.sort();
        expect("the events", wanted, taken)
    }

    /// Nothing comes.
    pub(super) async fn quiet(&mut self) -> Result<()> {
        match timeout(self.promises.quiet, self.subscription.next()).await {
            Err(_) | Ok(None) => Ok(()),
            Ok(Some(delivery)) => Err(Error::internal(format!(
                "event {} came and should not have, after {} attempts",
                id(&delivery),
                delivery.attempts_before
            ))),
        }
    }

    /// The subscription is over.
    pub(super) async fn over(&mut self) -> Result<()> {
        match timeout(self.promises.arrival, self.subscription.next()).await {
            Ok(None) => Ok(()),
            Ok(Some(delivery)) => Err(Error::internal(format!("event {} came after the end", id(&delivery)))),
            Err(_) => Err(Error::internal("a subscription that is over waits for events")),
        }
    }

    pub(super) async fn end(&mut self) -> Result<()> {
        self.subscription.end().await
    }

    /// Acknowledges everything from now on, in the background, until what is returned is dropped.
    pub(super) fn collect(self, tally: &Tally) -> Collector {
        self.collect_in(&[tally])
    }

    /// The same for the tally of one reader and that of its group.
    pub(super) fn collect_in(self, tallies: &[&Tally]) -> Collector {
        self.collect_if(tallies, |_| true)
    }

    /// The same where some deliveries are given back.
    pub(super) fn collect_if(
        mut self,
        tallies: &[&Tally],
        take: impl Fn(&Delivery) -> bool + Send + 'static,
    ) -> Collector {
        let tallies: Vec<_> = tallies.iter().map(|tally| (*tally).clone()).collect();
        Collector(tokio::spawn(async move {
            while let Some(delivery) = self.subscription.next().await {
                if take(&delivery) {
                    tallies.iter().for_each(|tally| tally.add(&delivery));
                    // The broker may be away at the moment, and then the event comes again.
                    let _ = delivery.ack().await;
                }
            }
        }))
    }
}

/// What reads in the background.
pub(super) struct Collector(JoinHandle<()>);

impl Drop for Collector {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn id(delivery: &Delivery) -> String {
    delivery.envelope.id().unwrap_or("without an id").to_owned()
}

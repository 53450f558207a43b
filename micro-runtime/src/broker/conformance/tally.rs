use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

use super::reader::id;
use crate::broker::Delivery;
use crate::error::{Error, Result};

/// What was delivered, to one reader or to several that share.
#[derive(Clone)]
pub(super) struct Tally(Arc<(Mutex<Seen>, watch::Sender<usize>)>);

#[derive(Default)]
pub(super) struct Seen {
    /// Keys and ids in the order in which they came.
    pub(super) order: Vec<(Option<String>, String)>,
    /// How often each id came.
    pub(super) counts: BTreeMap<String, usize>,
    /// How many deliveries came that were not marked as such that came before, for each id.
    pub(super) unmarked: BTreeMap<String, usize>,
}

impl Tally {
    pub(super) fn new() -> Self {
        Self(Arc::new((Mutex::default(), watch::Sender::new(0))))
    }

    pub(super) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many different events came.
    pub(super) fn len(&self) -> usize {
        self.seen().counts.len()
    }

    /// The events of a key in the order in which they came, each for the first time.
    pub(super) fn of_key(&self, key: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for (of, id) in &self.seen().order {
            if of.as_deref() == Some(key) && !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        ids
    }

    pub(super) fn add(&self, delivery: &Delivery) {
        let (id, key) = (id(delivery), delivery.envelope.key().map(str::to_owned));
        let mut seen = self.seen();
        if delivery.attempts_before == 0 {
            *seen.unmarked.entry(id.clone()).or_default() += 1;
        }
        *seen.counts.entry(id.clone()).or_default() += 1;
        seen.order.push((key, id));
        let different = seen.counts.len();
        drop(seen);
        self.0.1.send_replace(different);
    }

    /// Waits until so many different events came. Fails where there is none for a while.
    pub(super) async fn until(&self, different: usize, patience: Duration) -> Result<()> {
        let mut watch = self.0.1.subscribe();
        while *watch.borrow_and_update() < different {
            let next = timeout(patience, watch.changed()).await;
            if !matches!(next, Ok(Ok(()))) {
                let seen = self.seen();
                let missing = (0..different).find(|number| !seen.counts.contains_key(&number.to_string()));
                let which = missing.map_or_else(String::new, |number| format!(", event {number} did not"));
                return Err(Error::internal(format!(
                    "{} of {different} events came, and no more in {patience:?}{which}",
                    seen.counts.len()
                )));
            }
        }
        Ok(())
    }

    /// Exactly the events with the numbers below `count` came, however often.
    pub(super) fn complete(&self, count: usize) -> Result<()> {
        self.not_invented(count)?;
        let seen = self.seen();
        match (0..count).find(|number| !seen.counts.contains_key(&number.to_string())) {
            Some(lost) => {
                let came = seen.counts.len();
                Err(Error::internal(format!("{came} of {count} events came, event {lost} is lost")))
            }
            None => Ok(()),
        }
    }

    /// No other events came than those with the numbers below `count`.
    pub(super) fn not_invented(&self, count: usize) -> Result<()> {
        let seen = self.seen();
        let known = |id: &String| id.parse().is_ok_and(|number: usize| number < count);
        match seen.counts.keys().find(|id| !known(id)) {
            Some(id) => Err(Error::internal(format!("event {id} came, and nobody published it"))),
            None => Ok(()),
        }
    }

    /// No event came twice without being marked the second time.
    pub(super) fn marked(&self) -> Result<()> {
        match self.seen().unmarked.iter().find(|(_, count)| **count > 1) {
            Some((id, count)) => {
                Err(Error::internal(format!("event {id} came {count} times as if for the first time")))
            }
            None => Ok(()),
        }
    }

    /// No event came twice.
    pub(super) fn once(&self) -> Result<()> {
        match self.seen().counts.iter().find(|(_, count)| **count > 1) {
            Some((id, count)) => Err(Error::internal(format!("event {id} came {count} times"))),
            None => Ok(()),
        }
    }
}

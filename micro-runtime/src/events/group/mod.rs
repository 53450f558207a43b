//! Consumer groups for logs that keep events and positions, and nothing else: who gets which event, what is done, and what is
//! delivered again.

mod done;
mod hold;
mod member;
#[cfg(test)]
mod model;
mod progress;
mod state;
mod storage;
mod table;

use std::any::Any;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};

pub(super) use self::progress::Progress;
use self::state::State;
pub(super) use self::storage::{Fetched, Opened, Storage};
pub(super) use self::table::Table;

/// Acknowledgements are saved together, after this time at the latest.
const SAVED_WITHIN: Duration = Duration::from_millis(50);

/// When a log that failed is asked again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// While it is kept, no other process has the group.
pub(super) type Claim = Box<dyn Any + Send + Sync>;

/// A group that this process has at the moment, or a consumer without one.
struct Group {
    topic: String,
    /// A consumer without a group has none, and nothing is saved.
    name: Option<String>,
    storage: Arc<dyn Storage>,
    state: Mutex<State>,
    /// Something changed that members may wait for.
    changed: Notify,
    /// The offset of the event after the last one.
    next: watch::Receiver<u64>,
    /// One save after the other.
    saving: tokio::sync::Mutex<()>,
    table: Arc<Table>,
    /// Gone when it is over.
    claim: Mutex<Option<Claim>>,
}

impl Group {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches further events where some are wanted, beside whatever else happens.
    fn refill(self: &Arc<Self>) {
        let wanted = {
            let mut state = self.state();
            let wanted = state.wanted(*self.next.borrow());
            // One that runs already goes on.
            state.refilling |= wanted > 0;
            wanted
        };
        if wanted == 0 {
            return;
        }
        let group = self.clone();
        tokio::spawn(async move {
            if let Err(error) = group.fetch(wanted).await {
                let (topic, name) = (&group.topic, &group.name);
                tracing::warn!(topic, group = name, %error, "events cannot be fetched, and are tried again");
                sleep(AFTER_FAILURE).await;
            }
            group.state().refilling = false;
            group.changed.notify_waiters();
            group.retire();
        });
    }

    async fn fetch(self: &Arc<Self>, wanted: usize) -> crate::Result<()> {
        let from = self.state().cursor;
        let fetched = self.storage.fetch(&self.topic, from, wanted).await?;
        let gone = self.state().fetched(fetched.first, fetched.events);
        if gone > 0 {
            let (topic, group) = (&self.topic, &self.name);
            tracing::warn!(topic, group, events = gone, "events were gone before they were consumed");
        }
        self.save(true).await;
        self.state().release_fresh();
        Ok(())
    }

    /// Saves how far the group is.
    async fn save(self: &Arc<Self>, reserve: bool) {
        let Some(name) = &self.name else { return };
        let _turn = self.saving.lock().await;
        let progress = {
            let mut state = self.state();
            state.dirty = false;
            state.progress(reserve)
        };
        match self.storage.save(&self.topic, name, progress).await {
            Ok(true) => {}
            Ok(false) => self.end(),
            Err(error) => {
                let topic = &self.topic;
                tracing::warn!(topic, group = name, %error, "acknowledgements cannot be saved, and are tried again");
                self.state().dirty = true;
                self.plan_save(AFTER_FAILURE);
            }
        }
    }

    /// Has what changed saved soon.
    fn plan_save(self: &Arc<Self>, within: Duration) {
        let mut state = self.state();
        if self.name.is_none() || !state.dirty || state.save_is_planned || state.over {
            return;
        }
        state.save_is_planned = true;
        drop(state);
        let group = self.clone();
        tokio::spawn(async move {
            sleep(within).await;
            let dirty = {
                let mut state = group.state();
                state.save_is_planned = false;
                state.dirty
            };
            if dirty {
                group.save(true).await;
            }
        });
    }

    /// Nothing is given out any more.
    fn stop(&self) {
        self.state().over = true;
        self.changed.notify_waiters();
    }

    /// The same, and somebody else may have it.
    fn end(&self) {
        self.stop();
        self.claim.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Lets go of the group where nobody needs it, so that another process may have it.
    fn retire(&self) {
        if let Some(name) = &self.name
            && self.state().is_unused()
        {
            let (table, topic, name) = (self.table.clone(), self.topic.clone(), name.clone());
            match tokio::runtime::Handle::try_current() {
                Ok(runtime) => _ = runtime.spawn(async move { table.retire(topic, name).await }),
                Err(_) => table.forget(topic, name),
            }
        }
    }

    /// An event was handled.
    fn ack(self: &Arc<Self>, offset: u64, hold: u64) {
        {
            let mut state = self.state();
            state.ack(offset, hold);
            state.dirty = true;
        }
        self.changed.notify_waiters();
        self.plan_save(SAVED_WITHIN);
        self.retire();
    }

    /// An event is to be delivered again.
    fn give_back(&self, offset: u64, hold: u64, after: Duration) {
        self.state().give_back(offset, hold, after, Instant::now());
        self.changed.notify_waiters();
        self.retire();
    }
}

impl fmt::Debug for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Group").field("topic", &self.topic).field("name", &self.name).finish_non_exhaustive()
    }
}

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex as StdMutex};
use std::time::Duration;

use tokio::sync::{Mutex, Notify};
use tokio::time::sleep;

use super::member::{Member, Seat};
use super::progress::Progress;
use super::state::State;
use super::storage::{Opened, Storage};
use super::{Claim, Group};
use crate::broker::Subscription;
use crate::error::{Error, Result};
use crate::events::limits::{check_group, check_topic};
use crate::events::{ConsumeOptions, GroupStatus};

/// How often somebody who waits for a group of another process asks whether it is free.
const STANDBY: Duration = Duration::from_millis(250);

/// The groups that this process has.
pub(in crate::events) struct Table {
    storage: Arc<dyn Storage>,
    groups: Mutex<HashMap<(String, String), Arc<Group>>>,
    closed: AtomicBool,
}

impl Table {
    pub(in crate::events) fn new(storage: Arc<dyn Storage>) -> Arc<Self> {
        Arc::new(Self { storage, groups: Mutex::default(), closed: AtomicBool::new(false) })
    }

    /// Begins to consume.
    pub(in crate::events) async fn consume(
        self: &Arc<Self>,
        options: ConsumeOptions,
    ) -> Result<Box<dyn Subscription>> {
        check_topic(&options.topic)?;
        if let Some(group) = &options.group {
            check_group(group)?;
        }
        if options.ack_wait.is_zero() {
            return Err(Error::invalid_argument(
                "no time at all to acknowledge an event: `ack_wait` is how long it may be in hand",
            ));
        }
        self.check_open()?;
        let member = match options.group {
            None => Member::In(self.alone(&options).await?),
            Some(_) => match self.enter(&options).await? {
                Some(seat) => Member::In(seat),
                None => Member::Standby(Standby { table: self.clone(), options }),
            },
        };
        Ok(Box::new(member))
    }

    /// Adds what only this process knows to what was saved of the groups of a topic.
    pub(in crate::events) async fn describe(&self, topic: &str, groups: &mut [GroupStatus]) {
        let table = self.groups.lock().await;
        for status in groups {
            let here = table.get(&(topic.to_owned(), status.name.clone()));
            status.in_hand = here.map_or(0, |group| group.state().in_hand() as u64);
        }
    }

    /// Saves what is to be saved of the groups of a topic.
    pub(in crate::events) async fn save(&self, topic: &str) {
        let groups: Vec<_> = self.groups.lock().await.values().cloned().collect();
        for group in groups {
            if group.topic == topic && group.state().dirty {
                group.save(true).await;
            }
        }
    }

    /// Ends a group that is about to be deleted.
    pub(in crate::events) async fn end(&self, topic: &str, group: &str) {
        if let Some(group) = self.groups.lock().await.remove(&(topic.to_owned(), group.to_owned())) {
            group.end();
        }
    }

    /// Ends all groups and saves how far they are.
    pub(in crate::events) async fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let groups: Vec<_> = self.groups.lock().await.drain().collect();
        for (_, group) in groups {
            let is_over = group.state().over;
            group.stop();
            if !is_over {
                group.save(false).await;
            }
            group.end();
        }
    }

    /// Lets go of a group that nobody needs.
    pub(super) async fn retire(&self, topic: String, name: String) {
        let mut groups = self.groups.lock().await;
        let key = (topic, name);
        let Some(group) = groups.get(&key).filter(|group| group.state().is_unused()).cloned() else { return };
        if !group.state().over {
            group.save(false).await;
        }
        groups.remove(&key);
    }

    /// The same where nothing can be saved any more.
    pub(super) fn forget(&self, topic: String, name: String) {
        if let Ok(mut groups) = self.groups.try_lock() {
            groups.remove(&(topic, name));
        }
    }

    fn check_open(&self) -> Result<()> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Error::unavailable("the log was closed"));
        }
        Ok(())
    }

    /// A consumer without a group.
    async fn alone(self: &Arc<Self>, options: &ConsumeOptions) -> Result<Seat> {
        let start = self.storage.locate(&options.topic, options.start).await?;
        let group = self.group(options, &Progress::beginning(0, start), None).await?;
        Ok(Seat::new(group, options))
    }

    /// A place in a group, where no other process has it.
    async fn enter(self: &Arc<Self>, options: &ConsumeOptions) -> Result<Option<Seat>> {
        let name = options.group.clone().unwrap_or_default();
        let key = (options.topic.clone(), name.clone());
        let mut groups = self.groups.lock().await;
        self.check_open()?;
        if let Some(group) = groups.get(&key) {
            let (is_over, ordered) = {
                let state = group.state();
                (state.over, state.ordered)
            };
            if !is_over && options.ordered && !ordered {
                return Err(Error::failed_precondition(format!(
                    "the group `{name}` of the topic `{}` takes events in any order, because its first member asked for that: \
                     all members of a group ask for the same",
                    options.topic
                )));
            }
            if !is_over {
                return Ok(Some(Seat::new(group.clone(), options)));
            }
        }
        let Opened::Here(progress, claim) = self.storage.open(&options.topic, &name, options.start).await?
        else {
            return Ok(None);
        };
        let group = self.group(options, &progress, Some(claim)).await?;
        groups.insert(key, group.clone());
        Ok(Some(Seat::new(group, options)))
    }

    async fn group(
        self: &Arc<Self>,
        options: &ConsumeOptions,
        progress: &Progress,
        claim: Option<Claim>,
    ) -> Result<Arc<Group>> {
        Ok(Arc::new(Group {
            topic: options.topic.clone(),
            name: options.group.clone(),
            storage: self.storage.clone(),
            state: StdMutex::new(State::new(progress, options.ordered, options.ack_wait)),
            changed: Notify::new(),
            next: self.storage.next(&options.topic).await?,
            saving: Mutex::new(()),
            table: self.clone(),
            claim: StdMutex::new(claim),
        }))
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table").field("closed", &self.closed).finish_non_exhaustive()
    }
}

/// One that waits until another process lets go of a group.
pub(super) struct Standby {
    table: Arc<Table>,
    options: ConsumeOptions,
}

impl Standby {
    /// The place in the group; none where the log was closed.
    pub(super) async fn seat(&mut self) -> Option<Seat> {
        loop {
            sleep(STANDBY).await;
            match self.table.enter(&self.options).await {
                Ok(Some(seat)) => return Some(seat),
                Ok(None) => {}
                Err(_) if self.table.closed.load(Ordering::Acquire) => return None,
                Err(error) => {
                    let ConsumeOptions { topic, group, .. } = &self.options;
                    tracing::warn!(topic, group, %error, "a group cannot be taken over, and is tried again");
                }
            }
        }
    }
}

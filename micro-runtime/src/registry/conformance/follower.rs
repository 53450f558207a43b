use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use tokio::time::{Instant, timeout_at};

use super::Promises;
use crate::error::{Error, Result};
use crate::registry::{Change, Registration, Registry, Watch};

pub(super) type Nodes = BTreeMap<String, Arc<Registration>>;

/// A watch, and what it said.
pub(super) struct Follower {
    watch: Watch,
    pub(super) nodes: Nodes,
    answered: bool,
    /// How often a node went away.
    pub(super) losses: usize,
    promises: Promises,
}

impl Follower {
    pub(super) async fn begin(
        registry: &Arc<dyn Registry>,
        service: &str,
        promises: Promises,
    ) -> Result<Self> {
        let watch = registry.watch(service).await?;
        Ok(Self { watch, nodes: Nodes::new(), answered: false, losses: 0, promises })
    }

    /// Reads until the nodes are as wanted, and stay so for all that is there to be read.
    pub(super) async fn until(&mut self, what: &str, wanted: impl Fn(&Nodes) -> bool) -> Result<()> {
        let within = self.promises.notice;
        self.until_within(within, what, wanted).await
    }

    pub(super) async fn until_within(
        &mut self,
        within: Duration,
        what: &str,
        wanted: impl Fn(&Nodes) -> bool,
    ) -> Result<()> {
        self.read(within, what, |follower| wanted(&follower.nodes)).await
    }

    pub(super) async fn answered(&mut self) -> Result<()> {
        self.read(self.promises.answer, "a snapshot", |follower| follower.answered).await
    }

    async fn read(&mut self, within: Duration, what: &str, wanted: impl Fn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            self.drain()?;
            if wanted(self) {
                return Ok(());
            }
            match timeout_at(end, self.watch.next()).await {
                Ok(Some(change)) => self.take(change?),
                Ok(None) => return Err(Error::internal(format!("the watch ended before {what}"))),
                Err(_) => {
                    let ids: Vec<_> = self.nodes.keys().collect();
                    return Err(Error::deadline_exceeded(format!(
                        "not within {within:?}: {what}. The watch has {} nodes: {ids:?}",
                        ids.len()
                    )));
                }
            }
        }
    }

    /// Reads what is there already.
    pub(super) fn drain(&mut self) -> Result<()> {
        while let Some(Some(change)) = self.watch.next().now_or_never() {
            self.take(change?);
        }
        Ok(())
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::Put(registration) => {
                self.nodes.insert(registration.node.id.clone(), registration);
            }
            Change::Remove(id) => self.losses += usize::from(self.nodes.remove(&id).is_some()),
            Change::Snapshot(all) => {
                self.answered = true;
                self.nodes = all.into_iter().map(|node| (node.node.id.clone(), node)).collect();
            }
        }
    }
}

//! What every registry has to do when its server is broken.

use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, timeout};

use super::{Kit, LONG, Scenario};
use crate::error::{Code, Error, Result};
use crate::registry::{Discovery, DiscoveryOptions, Registration, Registry, Snapshot, View};

/// Breaks the server of a registry, and mends it. The test of a driver has one for a server of its own.
#[async_trait]
pub trait Faults: fmt::Debug + Send + Sync {
    /// Ends the server as a crash does, with `kill -9`.
    async fn kill(&self) -> Result<()>;

    /// Starts the server that was killed again, at the same address, and returns when it serves.
    async fn restart(&self, data: Data) -> Result<()>;
}

/// What a server has when it is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Data {
    /// What it had when it was killed.
    Kept,
    /// Nothing.
    Lost,
}

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("while the server is away, views stay and registering fails in time", |kit| Box::pin(away(kit))),
    ("a server that comes back with its data is followed again", |kit| Box::pin(came_back(kit, Data::Kept))),
    ("a server that lost its data is filled again by renewing", |kit| Box::pin(came_back(kit, Data::Lost))),
];

/// Everything is as it should be this long after the server is back, at the latest: clients that lost a server begin again after up to
/// five seconds.
const RECOVERY: Duration = Duration::from_secs(30);

/// How long views keep nodes that a server does not know which lost its data: less than [`RECOVERY`], so that it is seen that
/// they go.
const GRACE: Duration = Duration::from_secs(5);

/// Longer than any driver waits for a server that does not answer.
const FAILS_WITHIN: Duration = Duration::from_secs(15);

async fn away(kit: &Kit) -> Result<()> {
    let faults = kit.faults()?;
    let view = kit.view().await?;
    kit.register(&kit.node(1)).await?;
    until(&view.1, "the node", |nodes| ids(nodes) == ["node-1"]).await?;
    faults.kill().await?;
    for what in ["registering", "watching", "listing"] {
        let failing = async {
            match what {
                "registering" => kit.here.register(&kit.node(2), LONG).await,
                "watching" => kit.here.watch(&kit.service).await.map(drop),
                _ => kit.here.services().await.map(drop),
            }
        };
        match timeout(FAILS_WITHIN, failing).await {
            // Some can be watched and listed out of what they know.
            Ok(Ok(())) if what != "registering" => {}
            Ok(Err(error)) if error.code() == Code::Unavailable => {}
            Ok(end) => return Err(Error::internal(format!("{what} without a server ended with {end:?}"))),
            Err(_) => {
                return Err(Error::internal(format!("{what} without a server takes over {FAILS_WITHIN:?}")));
            }
        }
    }
    if ids(&view.1.nodes()) != ["node-1"] {
        return Err(Error::internal(format!(
            "while the server was away the view became {:?}",
            view.1.nodes()
        )));
    }
    faults.restart(Data::Kept).await?;
    renew(&kit.here, &kit.node(1)).await?;
    kit.here.deregister(&kit.node(1)).await?;
    until(&view.1, "no node", |nodes| nodes.is_empty()).await
}

async fn came_back(kit: &Kit, data: Data) -> Result<()> {
    let faults = kit.faults()?;
    let view = kit.view().await?;
    kit.register(&kit.node(1)).await?;
    kit.there.register(&kit.node(2), LONG).await?;
    // A node whose process is gone before the server is back.
    let third = kit.third.lock().unwrap_or_else(PoisonError::into_inner).take();
    let third = third.ok_or_else(|| Error::internal("there is no third handle"))?;
    third.register(&kit.node(3), LONG).await?;
    until(&view.1, "three nodes", |nodes| nodes.len() == 3).await?;
    faults.kill().await?;
    drop(third);
    faults.restart(data).await?;

    for (registry, number) in [(&kit.here, 1), (&kit.there, 2), (&kit.here, 4)] {
        renew(registry, &kit.node(number)).await?;
    }
    let new = |nodes: &Snapshot| ["node-1", "node-2", "node-4"].iter().all(|id| ids(nodes).contains(id));
    until(&view.1, "the nodes that were renewed, and a new one", new).await?;
    if data == Data::Lost {
        until(&view.1, "no node that was not renewed", |nodes| nodes.len() == 3).await?;
    }
    let late = kit.view().await?;
    until(&late.1, "the same in a view that begins later", new).await?;
    for (registry, number) in [(&kit.here, 1), (&kit.there, 2), (&kit.here, 4), (&kit.here, 3)] {
        registry.deregister(&kit.node(number)).await?;
    }
    let no_more = |nodes: &Snapshot| ids(nodes).iter().all(|id| *id == "node-3");
    until(&view.1, "nodes that leave afterwards", no_more).await
}

/// Registers as a service does, which goes on when it fails.
async fn renew(registry: &Arc<dyn Registry>, node: &Registration) -> Result<()> {
    let end = Instant::now() + RECOVERY;
    loop {
        match registry.register(node, LONG).await {
            Ok(()) => return Ok(()),
            Err(error) if Instant::now() > end => return Err(error.context("a server that is back")),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn until(view: &View, what: &str, wanted: impl Fn(&Snapshot) -> bool) -> Result<()> {
    match timeout(RECOVERY, view.until(wanted)).await {
        Ok(_) => Ok(()),
        Err(_) => {
            let seen = view.nodes();
            Err(Error::internal(format!("{what} did not show in {RECOVERY:?}: there are {:?}", ids(&seen))))
        }
    }
}

fn ids(nodes: &Snapshot) -> Vec<&str> {
    nodes.iter().map(|candidate| candidate.node().id.as_str()).collect()
}

impl Kit {
    fn faults(&self) -> Result<&Arc<dyn Faults>> {
        self.faults.as_ref().ok_or_else(|| Error::internal("there is nothing that breaks the server"))
    }

    /// A view from the other side, and what keeps it.
    async fn view(&self) -> Result<(Discovery, Arc<View>)> {
        let discovery = Discovery::with_options(self.there.clone(), DiscoveryOptions::new().grace(GRACE));
        let view = discovery.view(&self.service)?;
        view.ready(Some(Instant::now() + RECOVERY)).await?;
        Ok((discovery, view))
    }
}

//! The test kit for registries: what every driver has to do.
//!
//! Run it in a test of the driver, with the real server. It takes names that nobody else has, so
//! the registry may be in use by others, and leaves nothing behind when it succeeds.
//!
//! ```
//! use std::sync::Arc;
//! use micro_runtime::registry::{Memory, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> micro_runtime::Result<()> {
//! let registry = Memory::new();
//! let promises = conformance::Promises::default();
//! conformance::run(|| Arc::new(registry.clone()), promises).await
//! # }
//! ```

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::{Change, EndpointRecord, Node, Registration, Registry, Watch};
use crate::error::{Code, Error, Result};

/// What a driver promises beyond the interface, which decides how long the kit waits.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// A watcher hears of a change within this time.
    pub notice: Duration,
    /// A new watch has its [`Change::Snapshot`] within this time.
    pub answer: Duration,
    /// The shortest time to live that the driver keeps to; `None` where it does not look at it, and
    /// nodes are not tested for expiring.
    pub shortest_ttl: Option<Duration>,
}

/// What a registry in memory, or a server near by, can promise.
impl Default for Promises {
    fn default() -> Self {
        Self {
            notice: Duration::from_secs(2),
            answer: Duration::from_secs(2),
            shortest_ttl: Some(Duration::from_millis(500)),
        }
    }
}

/// Runs all scenarios, and fails with what did not go as it should.
///
/// `make` makes a handle on the registry, as another process would have it: all handles see the
/// same nodes.
pub async fn run(make: impl Fn() -> Arc<dyn Registry>, promises: Promises) -> Result<()> {
    let (here, there) = (make(), make());
    let mut failures = Vec::new();
    for (name, scenario) in SCENARIOS {
        let service = format!("Kit.{}", Uuid::new_v4().simple());
        let kit = Kit { here: here.clone(), there: there.clone(), service, promises };
        if let Err(error) = scenario(&kit).await {
            failures.push(format!("{name}: {error}"));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::failed_precondition(format!(
        "the registry `{}` does not conform, {} of {} scenarios failed:\n{}",
        here.name(),
        failures.len(),
        SCENARIOS.len(),
        failures.join("\n")
    )))
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
type Scenario = for<'a> fn(&'a Kit) -> Outcome<'a>;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("a watch that began before hears of a node", |kit| Box::pin(watched_before(kit))),
    ("a watch that begins after has the node in its answer", |kit| Box::pin(watched_after(kit))),
    ("a service without nodes has an empty answer", |kit| Box::pin(nobody(kit))),
    ("a node that took leave is gone at once", |kit| Box::pin(leave(kit))),
    ("registering again replaces the content", |kit| Box::pin(replaced(kit))),
    ("a node that came back elsewhere survives its predecessor's leave", |kit| Box::pin(successor(kit))),
    ("a node that is not renewed expires", |kit| Box::pin(expires(kit))),
    ("a node that is renewed stays", |kit| Box::pin(renewed(kit))),
    ("nodes of several versions stand side by side", |kit| Box::pin(versions(kit))),
    ("services do not mix, however alike their names", |kit| Box::pin(names(kit))),
    ("names that cannot be kept are refused", |kit| Box::pin(refused(kit))),
    ("everything known is listed", |kit| Box::pin(listed(kit))),
    ("writers at the same time do not harm each other", |kit| Box::pin(writers(kit))),
    ("forty nodes are found and lost", |kit| Box::pin(forty(kit))),
    ("a reader that pauses finds the newest state", |kit| Box::pin(slow_reader(kit))),
];

async fn watched_before(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let mut node = kit.node(1);
    node.node.metadata.insert("Zone".into(), "größe = \"a\", b".into());
    node.metadata.insert("team".into(), "x".into());
    node.endpoints.push(EndpointRecord { name: "Greeter.Hello".into(), ..Default::default() });
    kit.register(&node).await?;
    watch.until("the node", |nodes| nodes.len() == 1).await?;
    let seen = watch.nodes.values().next().ok_or_else(|| Error::internal("the node went missing"))?;
    expect("the node as it was registered", &node.node, &seen.node)?;
    expect("its service", (&node.service, &node.version), (&seen.service, &seen.version))?;
    expect("its metadata", &node.metadata, &seen.metadata)?;
    kit.here.deregister(&node).await
}

async fn watched_after(kit: &Kit) -> Result<()> {
    kit.register(&kit.node(1)).await?;
    let mut watch = kit.watch().await?;
    watch.answered().await?;
    expect("the nodes in the answer", 1, watch.nodes.len())?;
    let mut near = Follower::begin(&kit.here, &kit.service, kit.promises).await?;
    near.answered().await?;
    expect("the nodes in the answer on the side that registered", 1, near.nodes.len())?;
    kit.here.deregister(&kit.node(1)).await
}

async fn nobody(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    watch.answered().await?;
    expect("the nodes in the answer", 0, watch.nodes.len())
}

async fn leave(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    for node in [kit.node(1), kit.node(2)] {
        kit.register(&node).await?;
    }
    watch.until("both nodes", |nodes| nodes.len() == 2).await?;
    kit.here.deregister(&kit.node(1)).await?;
    watch.until("one node less", |nodes| nodes.keys().eq(["node-2"])).await?;
    kit.here.deregister(&kit.node(1)).await.map_err(|error| error.context("deregistering twice"))?;
    kit.register(&kit.node(1)).await?;
    watch.until("the node back again", |nodes| nodes.len() == 2).await?;
    // Only the id and the address are needed to take leave, as go-micro does it.
    for number in [1, 2] {
        kit.here.deregister(&kit.node(number)).await?;
    }
    watch.until("no node", BTreeMap::is_empty).await
}

async fn replaced(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    for state in ["warm", "hot", "warm", "cold"] {
        let mut node = kit.node(1);
        node.node.metadata.insert("state".into(), state.into());
        kit.register(&node).await?;
        let wanted = |nodes: &Nodes| nodes.values().any(|node| node.node.metadata["state"] == state);
        watch.until(state, wanted).await?;
    }
    kit.here.deregister(&kit.node(1)).await
}

async fn successor(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let (old, mut new) = (kit.node(1), kit.node(1));
    new.node.address = "127.0.0.1:9".into();
    kit.register(&old).await?;
    watch.until("the node", |nodes| nodes.len() == 1).await?;
    kit.there.register(&new, LONG).await?;
    let moved = |nodes: &Nodes| nodes.values().any(|node| node.node.address == "127.0.0.1:9");
    watch.until("the successor", moved).await?;
    kit.here.deregister(&old).await?;
    // Another change after it shows that the leave has been heard.
    kit.register(&kit.node(2)).await?;
    watch.until("the other node and the successor", |nodes| nodes.len() == 2 && moved(nodes)).await?;
    kit.here.deregister(&kit.node(2)).await?;
    kit.there.deregister(&new).await?;
    watch.until("no node", BTreeMap::is_empty).await
}

async fn expires(kit: &Kit) -> Result<()> {
    let Some(ttl) = kit.promises.shortest_ttl else { return Ok(()) };
    let mut watch = kit.watch().await?;
    kit.here.register(&kit.node(1), ttl).await?;
    kit.here.register(&kit.node(2), Duration::ZERO).await?;
    watch.until("both nodes", |nodes| nodes.len() == 2).await?;
    watch.until_within(ttl * 2, "only the node without an end", |nodes| nodes.keys().eq(["node-2"])).await?;
    kit.here.deregister(&kit.node(2)).await
}

async fn renewed(kit: &Kit) -> Result<()> {
    let Some(ttl) = kit.promises.shortest_ttl else { return Ok(()) };
    let mut watch = kit.watch().await?;
    for _ in 0..8 {
        kit.here.register(&kit.node(1), ttl).await?;
        watch.until("the node", |nodes| nodes.len() == 1).await?;
        sleep(ttl / 4).await;
    }
    watch.drain();
    expect("how often the node was lost", 0, watch.losses)?;
    expect("nodes", 1, watch.nodes.len())?;
    kit.here.deregister(&kit.node(1)).await
}

async fn versions(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let nodes = [(1, "1.0.0"), (2, "1.0.0"), (3, "2.0.0-rc.1+b7")].map(|(number, version)| {
        let mut node = kit.node(number);
        node.version = version.to_owned();
        node
    });
    for node in &nodes {
        kit.register(node).await?;
    }
    watch.until("three nodes", |nodes| nodes.len() == 3).await?;
    let mut versions: Vec<_> = watch.nodes.values().map(|node| node.version.clone()).collect();
    versions.sort();
    expect("the versions", vec!["1.0.0".to_owned(), "1.0.0".into(), "2.0.0-rc.1+b7".into()], versions)?;
    kit.deregister_all(&nodes).await
}

async fn names(kit: &Kit) -> Result<()> {
    let base = &kit.service;
    let longest = format!("{base}{}", "x".repeat(200 - base.len()));
    let services = [
        base.clone(),
        base.to_lowercase(),
        base.to_uppercase(),
        format!("{base}.more"),
        format!("{base}-1"),
        format!("{base}_1"),
        longest,
    ];
    let nodes = services.map(|service| {
        // The same id in all of them: it is unique in a service, not in the world.
        let mut node = kit.node(1);
        node.node.metadata.insert("of".into(), service.clone());
        node.service = service;
        node
    });
    for node in &nodes {
        kit.register(node).await?;
    }
    for node in &nodes {
        let mut watch = Follower::begin(&kit.there, &node.service, kit.promises).await?;
        watch.until(&node.service, |nodes| nodes.len() == 1).await?;
        let of: Vec<_> = watch.nodes.values().map(|node| node.node.metadata["of"].as_str()).collect();
        expect("the node of the service", vec![node.service.as_str()], of)?;
    }
    kit.deregister_all(&nodes).await
}

async fn refused(kit: &Kit) -> Result<()> {
    let with = |change: &dyn Fn(&mut Registration)| {
        let mut node = kit.node(1);
        change(&mut node);
        node
    };
    let odd = [
        ("an empty name", with(&|node| node.service.clear())),
        ("a name with an umlaut", with(&|node| node.service = "grüße".into())),
        ("a name with a space", with(&|node| node.service.push_str(" x"))),
        ("a name with a slash", with(&|node| node.service.push_str("/x"))),
        ("a name of 201 bytes", with(&|node| node.service = "x".repeat(201))),
        ("an empty id", with(&|node| node.node.id.clear())),
        ("an empty address", with(&|node| node.node.address.clear())),
    ];
    for (what, node) in odd {
        match kit.here.register(&node, LONG).await {
            Ok(()) => return Err(Error::internal(format!("{what} was accepted"))),
            Err(error) => expect(what, Code::InvalidArgument, error.code())?,
        }
    }
    Ok(())
}

async fn listed(kit: &Kit) -> Result<()> {
    let (mut first, mut second) = (kit.node(1), kit.node(2));
    first.version = "1".into();
    second.version = "2".into();
    let nodes = [first, second, kit.node(3)];
    for node in &nodes {
        kit.register(node).await?;
    }
    let mut watch = kit.watch().await?;
    watch.until("three nodes", |nodes| nodes.len() == 3).await?;
    for registry in [&kit.here, &kit.there] {
        let mut records = registry.services().await?;
        records.retain(|record| record.name == kit.service);
        let seen: Vec<_> =
            records.iter().map(|record| (record.version.as_str(), record.nodes.len())).collect();
        expect("the versions and how many nodes they have", vec![("1", 1), ("2", 1), ("latest", 1)], seen)?;
    }
    kit.deregister_all(&nodes).await
}

async fn writers(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let write = |number: u16| async move {
        let registry = if number % 2 == 0 { &kit.here } else { &kit.there };
        let node = kit.node(number);
        for _ in 0..3 {
            registry.register(&node, LONG).await?;
        }
        // Every third one leaves.
        if number % 3 == 0 { registry.deregister(&node).await } else { Ok(()) }
    };
    try_join_all((1..=12).map(write)).await?;
    let kept: Vec<_> = (1..=12).filter(|number| number % 3 != 0).collect();
    let mut ids: Vec<_> = kept.iter().map(|number| format!("node-{number}")).collect();
    ids.sort();
    watch.until("the nodes that stayed", |nodes| nodes.keys().eq(&ids)).await?;
    for number in kept {
        let registry = if number % 2 == 0 { &kit.here } else { &kit.there };
        registry.deregister(&kit.node(number)).await?;
    }
    watch.until("no node", BTreeMap::is_empty).await
}

async fn forty(kit: &Kit) -> Result<()> {
    let nodes: Vec<_> = (1..=40).map(|number| kit.node(number)).collect();
    let mut watch = kit.watch().await?;
    try_join_all(nodes.iter().map(|node| kit.register(node))).await?;
    watch.until("forty nodes", |nodes| nodes.len() == 40).await?;
    let mut late = kit.watch().await?;
    late.until("forty nodes in a later watch", |nodes| nodes.len() == 40).await?;
    kit.deregister_all(&nodes).await?;
    watch.until("no node", BTreeMap::is_empty).await?;
    late.until("no node in the later watch", BTreeMap::is_empty).await
}

async fn slow_reader(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    watch.answered().await?;
    for round in 0..300 {
        let mut node = kit.node(1);
        node.node.metadata.insert("round".into(), round.to_string());
        kit.register(&node).await?;
    }
    let newest = |nodes: &Nodes| nodes.values().any(|node| node.node.metadata["round"] == "299");
    watch.until("the newest state", newest).await?;
    kit.here.deregister(&kit.node(1)).await?;
    watch.until("no node", BTreeMap::is_empty).await
}

/// Long enough not to matter.
const LONG: Duration = Duration::from_secs(90);

type Nodes = BTreeMap<String, Arc<Registration>>;

struct Kit {
    here: Arc<dyn Registry>,
    there: Arc<dyn Registry>,
    /// A name for this scenario alone.
    service: String,
    promises: Promises,
}

impl Kit {
    fn node(&self, number: u16) -> Registration {
        let address = format!("127.0.0.1:{}", 40000 + number);
        Registration::new(&self.service, Node::new(format!("node-{number}"), address))
    }

    async fn register(&self, node: &Registration) -> Result<()> {
        self.here.register(node, LONG).await
    }

    async fn deregister_all(&self, nodes: &[Registration]) -> Result<()> {
        join_all(nodes.iter().map(|node| self.here.deregister(node))).await.into_iter().collect()
    }

    /// A watch from the other side.
    async fn watch(&self) -> Result<Follower> {
        Follower::begin(&self.there, &self.service, self.promises).await
    }
}

/// A watch, and what it said.
struct Follower {
    watch: Watch,
    nodes: Nodes,
    answered: bool,
    losses: usize,
    promises: Promises,
}

impl Follower {
    async fn begin(registry: &Arc<dyn Registry>, service: &str, promises: Promises) -> Result<Self> {
        let watch = registry.watch(service).await?;
        Ok(Self { watch, nodes: Nodes::new(), answered: false, losses: 0, promises })
    }

    /// Reads until the nodes are as wanted, and stay so for all that is there to be read.
    async fn until(&mut self, what: &str, wanted: impl Fn(&Nodes) -> bool) -> Result<()> {
        let within = self.promises.notice;
        self.until_within(within, what, wanted).await
    }

    async fn until_within(
        &mut self,
        within: Duration,
        what: &str,
        wanted: impl Fn(&Nodes) -> bool,
    ) -> Result<()> {
        self.read(within, what, |follower| wanted(&follower.nodes)).await
    }

    async fn answered(&mut self) -> Result<()> {
        self.read(self.promises.answer, "a snapshot", |follower| follower.answered).await
    }

    async fn read(&mut self, within: Duration, what: &str, wanted: impl Fn(&Self) -> bool) -> Result<()> {
        let end = Instant::now() + within;
        loop {
            self.drain();
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
    fn drain(&mut self) {
        while let Some(Some(Ok(change))) = futures_util::FutureExt::now_or_never(self.watch.next()) {
            self.take(change);
        }
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

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, seen: T) -> Result<()> {
    if expected == seen {
        return Ok(());
    }
    Err(Error::internal(format!("{what}: expected {expected:?} and saw {seen:?}")))
}

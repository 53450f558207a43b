//! The test kit for registries: what every driver has to do.
//!
//! Run it in a test of the driver, with the real server. It takes names that nobody else has, so
//! the registry may be in use by others, and leaves nothing behind when it succeeds.
//!
//! ```
//! use std::sync::{Arc, Mutex};
//! use micro_runtime::registry::{Memory, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> micro_runtime::Result<()> {
//! let registry = Memory::new();
//! let promises = conformance::Promises::default();
//! conformance::run(|| Arc::new(registry.clone()), promises).await
//! # }
//! ```

mod faults;
mod follower;
mod scenarios;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use uuid::Uuid;

pub use self::faults::{Data, Faults};
use self::follower::Follower;
use super::{Node, Registration, Registry};
use crate::error::{Error, Result};

/// What a driver promises beyond the interface, which decides how long the kit waits.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// A watcher hears of a change within this time.
    pub notice: Duration,
    /// A new watch has its [`Change::Snapshot`](super::Change::Snapshot) within this time.
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
    run_all(SCENARIOS, make, promises, None).await
}

/// Runs the scenarios in which the server of the registry is killed and started again, which nobody else may use
/// meanwhile. For a registry that has a server, beside [`run`].
///
/// A driver passes when a view stays as it was while the server is away, and is right again after it is back: its watches may
/// end with an error or go on. Nodes come back by being renewed, whether the server kept its data or not.
pub async fn run_with_faults(
    make: impl Fn() -> Arc<dyn Registry>,
    promises: Promises,
    faults: Arc<dyn Faults>,
) -> Result<()> {
    run_all(faults::SCENARIOS, make, promises, Some(faults)).await
}

async fn run_all(
    scenarios: &[(&str, Scenario)],
    make: impl Fn() -> Arc<dyn Registry>,
    promises: Promises,
    faults: Option<Arc<dyn Faults>>,
) -> Result<()> {
    let (here, there) = (make(), make());
    let mut failures = Vec::new();
    for (name, scenario) in scenarios {
        let service = format!("Kit.{}", Uuid::new_v4().simple());
        // Only where a server is broken does a process end.
        let third = Mutex::new(faults.as_ref().map(|_| make()));
        let faults = faults.clone();
        let kit = Kit { here: here.clone(), there: there.clone(), third, service, promises, faults };
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
        scenarios.len(),
        failures.join("\n")
    )))
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
type Scenario = for<'a> fn(&'a Kit) -> Outcome<'a>;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("a watch that began before hears of a node", |kit| Box::pin(scenarios::watched_before(kit))),
    ("a watch that begins after has the node in its answer", |kit| Box::pin(scenarios::watched_after(kit))),
    ("a watch that begins again has everything", |kit| Box::pin(scenarios::watched_again(kit))),
    ("a service without nodes has an empty answer", |kit| Box::pin(scenarios::nobody(kit))),
    ("a node that took leave is gone at once", |kit| Box::pin(scenarios::leave(kit))),
    ("registering again replaces the content", |kit| Box::pin(scenarios::replaced(kit))),
    ("a node that came back elsewhere survives its predecessor's leave", |kit| {
        Box::pin(scenarios::successor(kit))
    }),
    ("a node that is not renewed expires", |kit| Box::pin(scenarios::expires(kit))),
    ("a node that is renewed stays", |kit| Box::pin(scenarios::renewed(kit))),
    ("nodes of several versions stand side by side", |kit| Box::pin(scenarios::versions(kit))),
    ("services do not mix, however alike their names", |kit| Box::pin(scenarios::names(kit))),
    ("names that cannot be kept are refused", |kit| Box::pin(scenarios::refused(kit))),
    ("everything known is listed", |kit| Box::pin(scenarios::listed(kit))),
    ("writers at the same time do not harm each other", |kit| Box::pin(scenarios::writers(kit))),
    ("forty nodes are found and lost", |kit| Box::pin(scenarios::forty(kit))),
    ("a reader that pauses finds the newest state", |kit| Box::pin(scenarios::slow_reader(kit))),
];

/// Long enough not to matter.
const LONG: Duration = Duration::from_secs(90);

struct Kit {
    here: Arc<dyn Registry>,
    there: Arc<dyn Registry>,
    /// A name for this scenario alone.
    service: String,
    promises: Promises,
    /// A handle that its process loses, where the server is broken.
    third: Mutex<Option<Arc<dyn Registry>>>,
    faults: Option<Arc<dyn Faults>>,
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

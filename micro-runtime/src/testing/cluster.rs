//! Services in one process, and faults for each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{CallFaults, Faults, FaultyRegistry, FaultyTransport, NodeFaults};
use crate::client::{Client, ClientBuilder};
use crate::environment::Environment;
use crate::error::Result;
use crate::registry::Memory as MemoryRegistry;
use crate::service::{Running, Service};
use crate::transport::Memory as MemoryTransport;

/// Services in one process that reach each other through memory, with everything but the network between them,
/// and with a registry in memory.
///
/// Nothing of the world outside is in it, so that tests run side by side, and time may stand still
/// (`#[tokio::test(start_paused = true)]`). See the [module](super) for an example.
#[derive(Debug)]
pub struct Cluster {
    seed: u64,
    started: AtomicU64,
    memory: Arc<MemoryRegistry>,
    registry: FaultyRegistry,
    faults: Faults,
    transport: FaultyTransport,
}

/// A service in a [`Cluster`]: it stops at once when this is dropped.
#[derive(Debug)]
#[must_use = "a service stops when this is dropped"]
pub struct TestNode {
    running: Running,
    network: NodeFaults,
    calls: CallFaults,
    registry: FaultyRegistry,
}

impl Cluster {
    /// Without services, and with the seed 0 for their [`CallFaults`].
    pub fn new() -> Self {
        Self::seeded(0)
    }

    /// With another seed.
    pub fn seeded(seed: u64) -> Self {
        let memory = Arc::new(MemoryRegistry::new());
        let faults = Faults::new();
        Self {
            seed,
            started: AtomicU64::new(0),
            registry: FaultyRegistry::new(memory.clone()),
            memory,
            transport: faults.transport(MemoryTransport::new()),
            faults,
        }
    }

    /// Starts a service in the cluster, as [`Service::start`] does. The environment has no say in it, and its id is
    /// its number unless the service has one.
    pub async fn start(&self, service: Service) -> Result<TestNode> {
        let number = self.started.fetch_add(1, Ordering::Relaxed);
        let registry = FaultyRegistry::new(self.memory.clone());
        let calls = CallFaults::seeded(self.seed.wrapping_add(number));
        let running = service
            .environment(Environment::empty())
            .transport(self.transport.clone())
            .registry(registry.clone())
            .intercept(calls.clone())
            .start()
            .await?;
        let network = self.faults.node(running.address());
        Ok(TestNode { running, network, calls, registry })
    }

    /// A client in the cluster, with the defaults for everything that is not set.
    pub fn client(&self) -> ClientBuilder {
        Client::builder()
            .environment(Environment::empty())
            .transport(self.transport.clone())
            .registry(self.registry.clone())
    }

    /// The registry as the clients see it. Each service has a way of its own to it:
    /// [`TestNode::registry`].
    pub fn registry(&self) -> &FaultyRegistry {
        &self.registry
    }

    /// What is wrong between the nodes, by address.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The transport, for services and clients that are not made by the cluster.
    pub fn transport(&self) -> &FaultyTransport {
        &self.transport
    }
}

impl Default for Cluster {
    fn default() -> Self {
        Self::new()
    }
}

impl TestNode {
    /// The service.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// What is wrong between this node and its callers.
    pub fn network(&self) -> &NodeFaults {
        &self.network
    }

    /// What is wrong with the calls that it takes. They have passed the interceptors of the service then.
    pub fn calls(&self) -> &CallFaults {
        &self.calls
    }

    /// The registry as this service sees it.
    pub fn registry(&self) -> &FaultyRegistry {
        &self.registry
    }

    /// The node dies: its connections are closed, new ones refused, and its registration is no longer renewed. The
    /// registry has it until that runs out, as after a crash.
    pub fn kill(&self) {
        self.network.crash();
        self.registry.fail();
    }

    /// Nothing is wrong with the node any more; it renews its registration when that is due.
    pub fn heal(&self) {
        self.network.heal();
        self.calls.heal();
        self.registry.heal();
    }

    /// Stops the service, as [`Running::stop`] does.
    pub async fn stop(self) -> Result<()> {
        self.running.stop().await
    }
}

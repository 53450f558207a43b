//! Faults between a client and its nodes, by the address of the node.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::sleep;

use super::link::{self, State};
use crate::error::{Error, Result};
use crate::transport::{BoxIo, Listener, Transport};

/// What is wrong between clients and nodes: [`transport`](Self::transport) makes transports that have these
/// faults, and [`node`](Self::node) sets them.
///
/// Clones are the same faults. Nothing is wrong at first.
///
/// ```
/// use micro_runtime::testing::Faults;
/// use micro_runtime::transport::Tcp;
/// use micro_runtime::{Client, Code, Context};
///
/// let faults = Faults::new();
/// let client = Client::builder().address("127.0.0.1:7000").transport(faults.transport(Tcp)).build();
/// faults.node("127.0.0.1:7000").refuse();
/// # drop(client);
/// ```
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<HashMap<String, NodeFaults>>>);

/// What is wrong between clients and one node.
///
/// A new fault takes the place of the one before, but for [`slow`](Self::slow), which goes with all of them.
/// Clones are the same node.
#[derive(Clone)]
pub struct NodeFaults {
    address: Arc<str>,
    state: Arc<watch::Sender<State>>,
    open: Arc<AtomicUsize>,
}

/// A transport whose connections have the [`Faults`] of the node that they lead to.
///
/// They stand on the side that connects: a listener of this transport is that of the transport inside, so one
/// transport can be given to services and clients alike.
#[derive(Clone, Debug)]
pub struct FaultyTransport {
    faults: Faults,
    inner: Arc<dyn Transport>,
}

impl Faults {
    /// Nothing is wrong.
    pub fn new() -> Self {
        Self::default()
    }

    /// A transport with these faults, around any other one.
    pub fn transport(&self, inner: impl Transport) -> FaultyTransport {
        FaultyTransport { faults: self.clone(), inner: Arc::new(inner) }
    }

    /// The faults of the node with this address, as the registry or the client's `address` option has it. There
    /// need not be such a node yet.
    pub fn node(&self, address: &str) -> NodeFaults {
        let mut nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(address) {
            return node.clone();
        }
        let node = NodeFaults::new(address);
        nodes.insert(address.to_owned(), node.clone());
        node
    }

    /// [Heals](NodeFaults::heal) all nodes.
    pub fn heal(&self) {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes.values().for_each(NodeFaults::heal);
    }
}

impl NodeFaults {
    fn new(address: &str) -> Self {
        Self {
            address: address.into(),
            state: Arc::new(watch::channel(State::default()).0),
            open: Arc::default(),
        }
    }

    /// The address of the node.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// New connections are refused, as by a machine where nobody listens. Those that are open stay.
    pub fn refuse(&self) {
        self.state
            .send_modify(|state| (state.refuses, state.unreachable, state.silent) = (true, false, false));
    }

    /// The node is dead: its connections are closed, and new ones refused.
    ///
    /// The service does not know of it, and goes on with what it was doing, also with renewing its
    /// registration: see [`TestNode::kill`](super::TestNode::kill).
    pub fn crash(&self) {
        self.refuse();
        self.close_connections();
    }

    /// The node takes connections and says nothing any more, on new and on old ones; neither does anything
    /// reach it. What was written in the meantime, up to 256 KiB on a connection, arrives when it is healed.
    pub fn hang(&self) {
        self.state
            .send_modify(|state| (state.refuses, state.unreachable, state.silent) = (false, false, true));
    }

    /// No packet gets through: attempts to connect have no answer, and open connections are silent.
    pub fn partition(&self) {
        self.state
            .send_modify(|state| (state.refuses, state.unreachable, state.silent) = (false, true, true));
    }

    /// All that is said arrives so much later, in each direction; connecting takes twice that. Zero ends it.
    pub fn slow(&self, latency: Duration) {
        self.state.send_modify(|state| state.latency = latency);
    }

    /// Closes the connections that are open, in the middle of whatever there is; both sides see that they broke.
    /// New ones can be made.
    pub fn close_connections(&self) {
        self.state.send_modify(|state| state.closed += 1);
    }

    /// Nothing is wrong any more. Connections that were closed stay so.
    pub fn heal(&self) {
        self.state.send_modify(|state| *state = State { closed: state.closed, ..State::default() });
    }

    /// How many connections clients have to this node.
    pub fn connections(&self) -> usize {
        self.open.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn connect(&self, inner: &dyn Transport) -> Result<BoxIo> {
        let mut state = self.state.subscribe();
        let latency = state.borrow().latency;
        if !latency.is_zero() {
            sleep(latency.saturating_mul(2)).await;
        }
        // The sender is in `self`.
        let _ = state.wait_for(|state| !state.unreachable).await;
        if state.borrow().refuses {
            let message =
                format!("cannot connect to {}: connection refused (a fault of the test)", self.address);
            return Err(Error::unavailable(message).never_processed());
        }
        let closed = state.borrow().closed;
        let io = inner.connect(&self.address).await?;
        Ok(link::join(io, state, closed, self.open.clone()))
    }
}

#[async_trait]
impl Transport for FaultyTransport {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        self.inner.listen(address).await
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        self.faults.node(address).connect(&*self.inner).await
    }

    fn advertised(&self, local: &str) -> Result<String> {
        self.inner.advertised(local)
    }

    fn any_address(&self) -> &'static str {
        self.inner.any_address()
    }
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(nodes.values()).finish()
    }
}

impl fmt::Debug for NodeFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeFaults")
            .field("address", &self.address)
            .field("state", &*self.state.borrow())
            .field("connections", &self.connections())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::timeout;

    use super::*;
    use crate::transport::Memory;

    #[tokio::test(start_paused = true)]
    async fn the_longest_latency_there_is_means_never() -> Result<()> {
        let faults = Faults::new();
        let transport = faults.transport(Memory::new());
        let mut listener = transport.listen("a:1").await?;
        let (client, served) = tokio::join!(transport.connect("a:1"), listener.accept());
        let (mut client, _served) = (client?, served.expect("somebody connects"));
        faults.node("a:1").slow(Duration::MAX);
        client.write_all(b"hello").await.expect("there is a connection");
        let mut byte = [0];
        let waited = timeout(Duration::from_secs(24 * 60 * 60), client.read(&mut byte)).await;
        assert!(waited.is_err(), "{waited:?}");
        Ok(())
    }
}

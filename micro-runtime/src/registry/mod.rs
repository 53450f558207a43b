//! Registries: where services say where they are, and clients learn it.
//!
//! A [`Registry`] is one way to do that: [`Memory`] for tests and single processes, [`Mdns`] for the
//! local network with nothing installed, [`Static`] for a list, and others by cargo feature. It is the control plane: a
//! client asks it once per service and then watches. The calls themselves read a [`View`], which
//! [`Discovery`] keeps up to date: one per service and process, with no lookup, lock or wait on the
//! path of a call.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use micro_runtime::registry::{Discovery, Memory, Node, Registration, Registry};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> micro_runtime::Result<()> {
//! let registry = Memory::new();
//! let node = Registration::new("greeter", Node::new("greeter-1", "127.0.0.1:7000"));
//! registry.register(&node, Duration::from_secs(90)).await?;
//!
//! let discovery = Discovery::new(Arc::new(registry));
//! let view = discovery.view("greeter")?;
//! view.ready(None).await?;
//! assert_eq!(view.nodes()[0].node().address, "127.0.0.1:7000");
//! # Ok(())
//! # }
//! ```
//!
//! A driver of your own is an implementation of [`Registry`] that passes [`conformance::run`].

mod address;
pub mod conformance;
#[cfg(feature = "consul")]
mod consul;
mod describe;
mod discovery;
#[cfg(feature = "dns")]
mod dns;
mod doubt;
#[cfg(feature = "etcd")]
mod etcd;
mod follow;
mod listed;
mod locals;
#[cfg(feature = "mdns")]
mod mdns;
mod memory;
mod named;
#[cfg(feature = "nats")]
mod nats;
mod record;
mod registration;
#[cfg(any(feature = "nats", feature = "mdns-go-micro"))]
mod roll_call;
mod table;
mod view;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::stream::BoxStream;

#[cfg(feature = "consul")]
pub use consul::Consul;
pub(crate) use discovery::Departures;
pub use discovery::{Discovery, DiscoveryOptions};
#[cfg(feature = "dns")]
pub use dns::Dns;
#[cfg(feature = "etcd")]
pub use etcd::Etcd;
pub use listed::Static;
pub(crate) use locals::{Locals, Membership};
#[cfg(feature = "mdns")]
pub use mdns::Mdns;
pub use memory::Memory;
pub use named::{DEFAULT, by_name, from_environment};
#[cfg(feature = "nats")]
pub use nats::Nats;
pub use record::{EndpointRecord, Labels, Node, ServiceRecord, ValueRecord};
pub use registration::Registration;
pub use view::{Snapshot, View};

use crate::error::Result;

/// A way to announce nodes and to find them.
///
/// A node is known by the name of its service and its id together. The methods may be called at
/// the same time from anywhere; a handle is cheap to make and does nothing until it is used: a
/// registry that is constructed and not used opens no socket and starts no thread.
#[async_trait]
pub trait Registry: fmt::Debug + Send + Sync + 'static {
    /// The name it is chosen by: `mdns`.
    fn name(&self) -> &'static str;

    /// Announces the node for `ttl`, renews an announcement, or replaces one whose content
    /// changed; when it returns, watchers are being told.
    ///
    /// Call it again well before `ttl` is over, a third of it is usual. A node that is not renewed
    /// disappears after `ttl`, or later where the driver has a longer minimum of its own. Zero means
    /// that the node stays until it is deregistered.
    ///
    /// Fails with `invalid_argument` where [`Registration::check`] does or the driver cannot hold
    /// the content, and with `unavailable` where the registry cannot be reached. The node is then
    /// not announced by this call, and an earlier announcement runs out by itself.
    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()>;

    /// Takes the node back, at once.
    ///
    /// Only the service, the id and the address matter: where the same id is by now registered at
    /// another address, by the successor of a node that is just stopping, that stays. A node that
    /// is not there is no error.
    async fn deregister(&self, registration: &Registration) -> Result<()>;

    /// Follows the nodes of one service, beginning with those that are known now.
    ///
    /// See [`Change`] for what comes and in which order. The watch is over when it fails or ends,
    /// and a new one begins with everything again. Dropping it costs nothing.
    async fn watch(&self, service: &str) -> Result<Watch>;

    /// All that is known, grouped by name and version. For people, tools and error messages, not
    /// for the path of a call.
    async fn services(&self) -> Result<Vec<ServiceRecord>>;

    /// A hint that nobody answers at the address of this node, so that a driver that learns of
    /// crashes late can find out now. Returns at once.
    fn suspect(&self, registration: &Registration) {
        let _ = registration;
    }

    /// Whether a node may disappear here without its own doing, while it renews itself: because the registry was
    /// emptied, was restarted without its data, or let a lease run out that it should have kept.
    ///
    /// A node then watches its own name here, and registers again when it is missing. No unless said otherwise: where
    /// what is known of a node comes from its own process, it cannot be lost, and the watch would be for nothing.
    fn forgets(&self) -> bool {
        false
    }

    /// Whether its first answer may lack nodes that are there, since nobody knows all of them: everybody is asked, and
    /// answers for himself. No unless said otherwise.
    fn gathers(&self) -> bool {
        false
    }
}

/// A shared registry is one as well, whatever driver it is: what [`by_name`] returns can be given
/// to a service or a client.
#[async_trait]
impl<R: Registry + ?Sized> Registry for Arc<R> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        (**self).register(registration, ttl).await
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        (**self).deregister(registration).await
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        (**self).watch(service).await
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        (**self).services().await
    }

    fn suspect(&self, registration: &Registration) {
        (**self).suspect(registration);
    }

    fn forgets(&self) -> bool {
        (**self).forgets()
    }

    fn gathers(&self) -> bool {
        (**self).gathers()
    }
}

/// What a watch yields.
///
/// Changes are about one node each and come in the order in which they happened to that node. A
/// watcher that is slow never misses the newest state, and may miss what was in between: a node
/// that came and went may not show at all.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// The node is there, or its content changed.
    Put(Arc<Registration>),
    /// The node with this id is gone.
    Remove(String),
    /// The complete answer of the registry: all nodes there are now. What is missing is gone.
    ///
    /// Every watch yields one, possibly empty, once the registry has given its whole answer, and
    /// may yield more. Nodes may be `Put` before it; none of the earlier state counts as gone
    /// before it.
    Snapshot(Vec<Arc<Registration>>),
}

/// The stream of changes of one service. It is over after its first error.
pub type Watch = BoxStream<'static, Result<Change>>;

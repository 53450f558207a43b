//! Faults for tests: nodes that refuse, hang and slow down, connections and streams that are cut, answers that
//! are errors, and registries that are away. With real services, in one process.
//!
//! A [`Cluster`] has it all: services that are started in it reach each other through memory, and each of them
//! is a [`TestNode`] with faults of its own. With tokio's clock paused, minutes of a test take milliseconds.
//!
//! ```
//! use micro_runtime::testing::Cluster;
//! # use micro_runtime::{Result, Service};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<()> {
//! let cluster = Cluster::new();
//! let one = cluster.start(Service::new("greeter")).await?;
//! let two = cluster.start(Service::new("greeter")).await?;
//! let client = cluster.client().build();
//!
//! one.network().hang();
//! // … what do calls of `client` to `greeter` do now?
//! one.network().heal();
//! # two.stop().await?;
//! # one.stop().await
//! # }
//! ```
//!
//! The parts also work alone, around any [`Transport`](crate::transport::Transport), [`Registry`](crate::registry::Registry) and service:
//!
//! | Part | Stands around | Does |
//! |---|---|---|
//! | [`Faults`] | the transport of a client | refuses, hangs, slows down, closes: by the address of a node |
//! | [`CallFaults`] | the calls of a service or a client | errors and delays for a share of the calls, streams that are cut |
//! | [`FaultyRegistry`] | a registry | fails, hangs, forgets; counts what it is asked |
//!
//! They are there with the cargo feature `testing`, which belongs into `[dev-dependencies]`.

mod calls;
mod cluster;
mod link;
mod network;
mod registry;

pub use calls::{CallCounts, CallFaults};
pub use cluster::{Cluster, TestNode};
pub use network::{Faults, FaultyTransport, NodeFaults};
pub use registry::{FaultyRegistry, RegistryCounts};

//! Health: whether a service can do its work, told to those who ask by `grpc.health.v1.Health`, and to the node
//! itself, which is in the registry only while it can.
//!
//! Every server has that service. It follows the service's own life by itself: not serving while it
//! starts, serving once it takes calls, and not serving again from the moment it leaves. What only
//! the program can know, it says with a [`Health`], or has a [`Check`] find out again and again.

mod check;
mod handle;
#[cfg(feature = "protobuf")]
mod messages;
mod record;
mod runner;
#[cfg(feature = "protobuf")]
mod serve;

pub use check::{
    Check, DEFAULT_CHECK_FAILURES, DEFAULT_CHECK_INTERVAL, DEFAULT_CHECK_SUCCESSES, DEFAULT_CHECK_TIMEOUT,
    IntoCheck,
};
pub use handle::{Health, HealthReport};
pub use record::CheckReport;
#[cfg(feature = "protobuf")]
pub(crate) use serve::{bind, file};

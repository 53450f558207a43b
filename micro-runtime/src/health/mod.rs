//! Health: whether a service can do its work, told to those who ask by `grpc.health.v1.Health`.
//!
//! Every server has that service. It follows the service's own life by itself: not serving while it
//! starts, serving once it is registered, and not serving again from the moment it leaves. What only
//! the program can know, it says with a [`Health`].

mod handle;
#[cfg(feature = "protobuf")]
mod messages;
#[cfg(feature = "protobuf")]
mod serve;

pub use handle::Health;
#[cfg(feature = "protobuf")]
pub(crate) use serve::{bind, file};

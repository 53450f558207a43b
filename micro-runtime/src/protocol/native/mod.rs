//! The native wire: what nodes of ours speak among themselves.
//!
//! Calls of all shapes, multiplexed on one connection, in frames of our own. What makes it fast: paths and
//! codecs are sent once and are numbers from then on; all frames that are ready go out in one system call;
//! a handler that answers at once runs where its call was read, without a task of its own; and nothing of a
//! call goes through HTTP. It is specified in `docs/wire.md`.
//!
//! One task reads and writes a connection ([`driver`]); the calls leave their frames with it and find what
//! arrives for them in a state that both share ([`link`]). Both halves are made of the same parts.

mod account;
mod bounds;
pub(crate) mod client;
mod driver;
mod entry;
mod fields;
mod frame;
mod inbox;
#[cfg(test)]
mod interleavings;
mod link;
mod outbox;
mod pump;
mod role;
pub(crate) mod server;
mod settings;
mod state;
mod violation;

pub(crate) use bounds::{Bounds, MAX_BUFFERED};
pub(crate) use settings::{PREFACE, Settings};

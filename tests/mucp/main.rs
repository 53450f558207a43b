//! go-micro's own RPC from the outside, and the generated client that speaks it.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/soon.rs"]
mod soon;

mod calls;
mod client;
mod errors;
mod events;
mod shop;
mod wire;

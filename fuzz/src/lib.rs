//! Fuzz targets for everything that reads what a peer sends.
//!
//! A target is a function of bytes that panics when something is wrong. What is wrong is more than a
//! panic of the framework: a connection that never ends, a task that is left behind, a service that
//! no longer serves, an answer that no client could read.

#![forbid(unsafe_code)]

mod answer;
mod body;
mod caller;
mod connection;
mod frames;
mod input;
mod lab;
mod message;
mod native;
mod record;
mod request;
mod seeds;
mod server;
mod verdict;
mod world;
mod wrap;

pub use answer::answer;
pub use connection::connection;
pub use message::message;
pub use native::{native, native_answer};
pub use record::record;
pub use request::request;
pub use seeds::{TOKENS, seeds};
pub use server::server;

/// A target: its name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// All targets.
pub const TARGETS: [Target; 8] = [
    ("connection", connection),
    ("request", request),
    ("server", server),
    ("answer", answer),
    ("native", native),
    ("native-answer", native_answer),
    ("message", message),
    ("record", record),
];

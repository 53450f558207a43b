//! The server from the outside: what `curl`, other clients, broken clients and hostile ones get.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/envelope.rs"]
mod envelope;
#[path = "../common/handlers.rs"]
mod handlers;
#[path = "../common/soon.rs"]
mod soon;

mod compression;
mod connections;
mod cors;
mod deadlines;
mod drain;
mod early_answers;
mod envelopes;
mod get;
mod gone;
mod hostile;
mod lab;
mod layers;
mod limits;
mod media_types;
mod messages;
mod mounted;
mod raw;
mod routes;
mod sizes;
mod slow;
mod upgrades;
mod wire;

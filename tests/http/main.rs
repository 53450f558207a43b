//! The server from the outside: what `curl`, other clients, broken clients and hostile ones get.

#![allow(clippy::unwrap_used, missing_docs)]

mod compression;
mod deadlines;
mod drain;
mod early_answers;
mod envelopes;
mod get;
mod gone;
mod hostile;
mod lab;
mod limits;
mod media_types;
mod messages;
mod raw;
mod routes;
mod sizes;
mod slow;
mod wire;

//! gRPC and gRPC-Web from both sides: what the generated client gets in each protocol, what raw
//! clients get from the server, and what the client makes of servers that are wrong.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/envelope.rs"]
mod envelope;
#[path = "../common/handlers.rs"]
mod handlers;
#[path = "../common/soon.rs"]
mod soon;

mod answers;
mod calls;
mod go_micro;
mod lab;
mod layers;
mod refused;
mod servers;
mod statuses;
mod web;
mod web_servers;
mod wire;

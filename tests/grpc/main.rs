//! gRPC and gRPC-Web from both sides: what the generated client gets in each protocol, what raw
//! clients get from the server, and what the client makes of servers that are wrong.

#![allow(clippy::unwrap_used, missing_docs)]

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

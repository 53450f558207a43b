//! The native wire (`docs/wire.md`): every rule of it, kept and broken, on both sides.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../connections/authority.rs"]
#[allow(dead_code)]
mod authority;
#[path = "../common/handlers.rs"]
mod handlers;
#[path = "../common/soon.rs"]
mod soon;

mod answers;
mod calls;
mod choice;
mod example;
mod flow;
mod hello;
mod hostile;
mod lab;
mod large;
mod leaving;
mod rules;
mod shapes;
mod wire;

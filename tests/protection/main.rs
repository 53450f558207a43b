//! What a service does when it is called more than it can serve, and when it is called twice.

#![allow(clippy::unwrap_used, missing_docs)]

mod elsewhere;
mod idempotency;
mod lab;
mod limits;
mod priorities;
mod push_back;
mod rates;
#[path = "../common/soon.rs"]
mod soon;

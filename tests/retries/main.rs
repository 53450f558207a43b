//! What a client does about calls that fail: retries, budgets, hedges, circuit breakers and fallbacks.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/soon.rs"]
mod soon;

mod breaker;
mod budget;
mod chain;
mod coalescing;
mod contract;
mod fallbacks;
mod hedges;
mod lab;
mod limits;
mod local;
mod rules;
mod streams;
mod waits;

//! What a client does about calls that fail, beyond asking the next node: attempts that may be the second one.
//!
//! [`failover`](super::failover) is one attempt: it goes from node to node until one may have processed the
//! request. What follows then is decided here. `policy` says what holds for a call: what it says itself, else its
//! method, else its client. `attempts` makes the attempts, one after the other (`backoff`) or at the same time, as the
//! `verdict` on each says.
//! What all calls to one service share is in a `target`: the `budget` of retries, the circuit `breaker`, and
//! the counts.
//!
//! A call whose first attempt succeeds passes `breaker` and `budget`, which are a read each, and nothing else.

mod attempts;
mod avoided;
mod breaker;
mod budget;
mod policy;
mod target;
mod verdict;

pub use crate::backoff::Backoff;
pub(super) use attempts::{Given, first, race};
pub(super) use avoided::Avoided;
pub use breaker::CircuitBreaker;
pub use budget::RetryBudget;
pub(super) use policy::{Codes, Policy, Wishes};
pub use target::TargetStats;
pub(super) use target::{Target, Targets};

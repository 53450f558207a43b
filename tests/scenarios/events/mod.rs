//! Events between processes that are killed: each one that a broker took is handled.
//!
//! Publishers and subscribers are programs of their own, which write down what they do in [files](ledger) that
//! outlive them.

pub(crate) mod burst;
pub(crate) mod crashes;
pub(crate) mod driver;
mod ledger;
pub(crate) mod program;
mod stage;

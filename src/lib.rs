//! A framework for distributed services: one annotated trait is the contract.
pub use micro_macros::{Message, handler, service};
pub use micro_runtime::*;

//! What stands around every call, on both sides: its interceptors.

mod interceptor;
mod invocation;

pub(crate) use interceptor::Interceptors;
pub use interceptor::{Interceptor, Next};
pub use invocation::{Invocation, Payload};

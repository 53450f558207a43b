//! What stands around every call, on both sides: its interceptors.

mod interceptor;

pub(crate) use interceptor::Interceptors;
pub use interceptor::{Interceptor, Invocation, Next, Payload};

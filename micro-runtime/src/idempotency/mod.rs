//! Calls that are made twice, and answered from what was done the first time.
//!
//! A caller that got no answer does not know whether its call was done. With a key for what it wants done,
//! [`Call::idempotency_key`](crate::Call::idempotency_key), it can ask again, and [`Idempotency`] on the service
//! answers from a [`KeyStore`] what was answered the first time. The header is that of
//! `draft-ietf-httpapi-idempotency-key-header`, so that callers without this framework use it as well.
//!
//! ```
//! # use std::time::Duration;
//! # use micro_runtime::Service;
//! use micro_runtime::idempotency::{Idempotency, MemoryKeys};
//!
//! let once = Idempotency::new(MemoryKeys::new())
//!     .keep(Duration::from_secs(3600))
//!     .require("payments.v1.Payments/Pay");
//! let service = Service::new("payments").intercept(once.clone());
//! // Later, for a metric:
//! assert_eq!(once.counts().replayed, 0);
//! ```

pub mod conformance;
mod fingerprint;
mod interceptor;
mod key;
mod memory;
mod record;
mod running;
mod store;

pub use interceptor::{Idempotency, KeyCounts};
pub(crate) use key::{KEY, check};
pub use memory::MemoryKeys;
pub use store::{Begun, KeyStore, Lease};

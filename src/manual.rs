//! The manual: how to do things, and what holds. The reference is with the items themselves.
//!
//! Begin with [`start`].

#[doc = include_str!("../docs/manual/start.md")]
pub mod start {}

#[doc = include_str!("../docs/manual/services.md")]
pub mod services {}

#[doc = include_str!("../docs/manual/streams.md")]
pub mod streams {}

#[doc = include_str!("../docs/manual/errors.md")]
pub mod errors {}

#[doc = include_str!("../docs/manual/deadlines.md")]
pub mod deadlines {}

#[doc = include_str!("../docs/manual/performance.md")]
pub mod performance {}

#[doc = include_str!("../docs/manual/protocols.md")]
pub mod protocols {}

#[doc = include_str!("../docs/wire.md")]
pub mod wire {}

#[cfg(feature = "tls")]
#[doc = include_str!("../docs/manual/tls.md")]
pub mod tls {}

#[doc = include_str!("../docs/manual/middleware.md")]
pub mod middleware {}

#[doc = include_str!("../docs/manual/protection.md")]
pub mod protection {}

#[doc = include_str!("../docs/manual/discovery.md")]
pub mod discovery {}

#[doc = include_str!("../docs/manual/messaging.md")]
pub mod messaging {}

#[doc = include_str!("../docs/manual/events.md")]
pub mod events {}

#[doc = include_str!("../docs/manual/balancing.md")]
pub mod balancing {}

#[doc = include_str!("../docs/manual/shutting-down.md")]
pub mod shutting_down {}

#[doc = include_str!("../docs/manual/metrics.md")]
pub mod metrics {}

#[doc = include_str!("../docs/manual/protobuf.md")]
pub mod protobuf {}

#[doc = include_str!("../docs/manual/go-micro.md")]
pub mod go_micro {}

#[doc = include_str!("../docs/manual/reflection.md")]
pub mod reflection {}

#[cfg(feature = "testing")]
#[doc = include_str!("../docs/manual/testing.md")]
pub mod testing {}

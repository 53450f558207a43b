//! Who is let in: what a service does to go on serving when it is called more than it can serve.
//!
//! [`Protection`] says it, for [`Service::protect`](crate::Service::protect): limits of how many calls run at a
//! time, [adaptive shedding](Adaptive), and a [rate](RateLimit) for each caller. Every call passes here once,
//! in every protocol and from inside the process alike, when its request is there and before any
//! interceptor or handler sees it. A service that sets nothing asks nothing.
//!
//! A call that is refused ends with `resource_exhausted` (HTTP 429) and a time after which to try again,
//! [`Error::retry_after`](crate::Error::retry_after). One that is refused because this node is busy says that it
//! [was never processed](crate::Error::was_never_processed), so that it can go to another node at once; one that
//! is refused because its caller calls too often does not, since the caller is to call less.
//!
//! ```
//! # use std::time::Duration;
//! # use micro_runtime::Service;
//! use micro_runtime::admission::{Adaptive, Protection, RateLimit};
//!
//! let protection = Protection::new()
//!     .max_calls(200)
//!     .max_calls_of("reports.v1.Reports/Build", 4)
//!     .queue(50, Duration::from_millis(200))
//!     .adaptive(Adaptive::new())
//!     .rate_limit(RateLimit::per_second(100));
//! let service = Service::new("shop").protect(protection.clone());
//! // Later, for a metric:
//! assert_eq!(protection.counts().refused(), 0);
//! ```

mod adaptive;
mod caller;
mod counts;
mod estimate;
mod gate;
mod histogram;
mod keys;
mod limiter;
mod protection;
mod queue;
mod rate;
mod refusal;

pub use adaptive::Adaptive;
pub use counts::Counts;
pub(crate) use gate::{Asked, Gate, Permit};
pub use protection::Protection;
pub use rate::RateLimit;

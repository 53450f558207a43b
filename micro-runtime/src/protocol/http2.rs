//! What both sides of an HTTP/2 connection ask for.

use std::time::Duration;

/// How long a peer may take to answer a ping.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Windows: one large message, or many small ones, on their way without a round trip.
pub(crate) const STREAM_WINDOW: u32 = 1024 * 1024;
pub(crate) const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

//! What both sides of an HTTP/2 connection have in common: what they ask for, how bodies go in and
//! out, and how writes are put together.

mod cork;
mod keep_alive;
mod received;
mod sending;
mod strip;

use std::time::Duration;

pub(crate) use cork::{Cork, Corked};
pub(crate) use keep_alive::KeepAlive;
pub(crate) use received::Received;
pub(crate) use sending::Sending;
pub(crate) use strip::strip;

/// How long a peer may take to answer a ping.
pub(crate) const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// Windows: one large message, or many small ones, on their way without a round trip.
pub(crate) const STREAM_WINDOW: u32 = 1024 * 1024;

/// What a server takes in of all the requests on a connection that nobody reads. It is what bounds the
/// memory that a client can fill.
pub(crate) const SERVER_WINDOW: u32 = 4 * 1024 * 1024;

/// What a client takes in of all answers that nobody reads, the largest that there is (RFC 9113, section
/// 6.9.1): all calls to a node are on one connection, and a few streams that are read slowly must not hold
/// the others up. A stream has its own window, and it is this side that opens streams.
pub(crate) const CLIENT_WINDOW: u32 = (1 << 31) - 1;

/// The largest frame that either side takes in: a chunk of a stream's messages, or a large piece of one
/// message, in one frame.
pub(crate) const FRAME: u32 = 64 * 1024;

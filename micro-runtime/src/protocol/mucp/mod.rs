//! go-micro's own RPC, which it calls mucp, over its HTTP transport: one message each way as the
//! bodies of a request and an answer of HTTP/1.1, and all else in headers. The status is always 200;
//! `Micro-Error` tells an error.
//!
//! Its streams are HTTP messages that do not answer each other, on a connection that is no longer
//! HTTP then. They are refused here: go-micro's gRPC plugin has streams.

pub(crate) mod client;
mod error;
mod frame;
pub(crate) mod server;

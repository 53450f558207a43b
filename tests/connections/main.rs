//! Connections: what is spoken on them, with and without TLS, how they are kept, and how they fail.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/soon.rs"]
mod soon;

mod authority;
mod busy;
mod http1;
mod http2;
mod lab;
mod raw;
mod refusals;
mod shapes;
mod strangers;
#[cfg(unix)]
mod unix;
mod watched;

//! Connections: what is spoken on them, with and without TLS, how they are kept, and how they fail.

#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../common/soon.rs"]
mod soon;

mod authority;
mod busy;
mod http1;
mod http2;
mod lab;
mod leaving;
mod raw;
mod refusals;
mod shapes;
mod strangers;
mod ten_thousand;
#[cfg(unix)]
mod unix;
mod watched;

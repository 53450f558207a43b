//! Bare hyper over HTTP/2.

use std::process::ExitCode;

fn main() -> ExitCode {
    load::main::<stack_hyper::h2::Http2>()
}

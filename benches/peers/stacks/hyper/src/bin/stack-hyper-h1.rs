//! Bare hyper over HTTP/1.1.

use std::process::ExitCode;

fn main() -> ExitCode {
    load::main::<stack_hyper::h1::Http1>()
}

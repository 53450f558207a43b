//! The methods are not async.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

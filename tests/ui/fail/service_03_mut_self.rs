//! The methods want the value for themselves.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&mut self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

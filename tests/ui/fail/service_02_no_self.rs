//! The methods are not called on a value.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

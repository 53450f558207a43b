//! Two methods have one name on the wire.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn say_hello(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(name = "SayHello")]
    async fn greet(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

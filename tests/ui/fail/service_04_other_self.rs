//! The methods take the value away, or inside something else.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn consume(self, ctx: &Context, request: u32) -> Result<u32>;
    async fn shared(self: std::sync::Arc<Self>, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

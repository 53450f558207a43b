//! Names that cannot stand in a path.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service(package = "greeter..v1", name = "Greet er")]
trait Greeter {
    #[micro(name = "say hello")]
    async fn spaced(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(name = "")]
    async fn empty(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

//! The context is not a shared reference.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn by_value(&self, ctx: Context, request: u32) -> Result<u32>;
    async fn exclusive(&self, ctx: &mut Context, request: u32) -> Result<u32>;
}

fn main() {}

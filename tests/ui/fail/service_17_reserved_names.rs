//! The methods have names that the client needs.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn new(&self, ctx: &Context, request: u32) -> Result<u32>;
    async fn with_name(&self, ctx: &Context, request: u32) -> Result<u32>;
    async fn __micro_hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

//! The client implements the contract, and so it needs what the contract asks for.
#![allow(unused)]

use micro::{Context, Result};

trait Polite {}

#[micro::service]
trait Greeter: Polite {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

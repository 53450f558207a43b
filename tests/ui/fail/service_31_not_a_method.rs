//! A contract has only methods.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    const LIMIT: u32;
    type Reply;
    some_macro!();
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

macro_rules! some_macro {
    () => {};
}
use some_macro;

fn main() {}

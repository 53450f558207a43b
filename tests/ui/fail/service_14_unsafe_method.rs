//! The methods are more than `async fn`s.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async unsafe fn careful(&self, ctx: &Context, request: u32) -> Result<u32>;
    async extern "C" fn foreign(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

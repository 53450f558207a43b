//! The messages are written as `Self`, or as `impl`.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn myself(&self, ctx: &Context, request: Self) -> Result<u32>;
    async fn answer(&self, ctx: &Context, request: u32) -> Result<Box<Self>>;
    async fn hidden(&self, ctx: &Context, request: u32) -> impl Send;
}

fn main() {}

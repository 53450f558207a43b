//! Timeouts that are none.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    #[micro(timeout = "1 parsec")]
    async fn unit(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(timeout = "5")]
    async fn no_unit(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(timeout = "0s")]
    async fn zero(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(timeout = "")]
    async fn empty(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(timeout = 5)]
    async fn number(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

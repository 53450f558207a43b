//! The messages borrow.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn text(&self, ctx: &Context, request: &str) -> Result<u32>;
    async fn inside(&self, ctx: &Context, request: Option<&'static str>) -> Result<u32>;
    async fn answer(&self, ctx: &Context, request: u32) -> Result<&str>;
}

fn main() {}

//! A type has the attribute once.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

#[micro::service]
trait Admin {
    async fn stop(&self, ctx: &Context, request: ()) -> Result<()>;
}

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

#[micro::handler]
impl Admin for Polite {
    async fn stop(&self, _ctx: &Context, _: ()) -> Result<()> {
        Ok(())
    }
}

fn main() {}

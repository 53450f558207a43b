//! Everything that is wrong is reported in one pass, and nothing that is right.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service(pakage = "greeter.v1")]
#[micro(idempotent)]
trait Greeter {
    const LIMIT: u32;
    fn not_async(&self, ctx: &Context, request: u32) -> Result<u32>;
    async fn no_context(&self) -> Result<u32>;
    async fn right(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(timeout = "soon")]
    async fn late(&mut self, ctx: &Context, request: &str);
}

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    const LIMIT: u32 = 1;
    fn not_async(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
    async fn no_context(&self) -> Result<u32> {
        Ok(1)
    }
    async fn right(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
    async fn late(&mut self, _ctx: &Context, _request: &str) {}
}

fn main() {
    let _ = GreeterClient::right;
}

//! A contract is one service.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter<T: Send> {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
    async fn other(&self, ctx: &Context, request: T) -> Result<T>;
}

#[micro::service]
unsafe trait Careful<'a> {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

struct Polite;

// The contract is there all the same, so that nothing else is reported.
#[micro::handler]
impl Greeter<u32> for Polite {
    async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
    async fn other(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

fn main() {
    let _ = GreeterClient::new;
}

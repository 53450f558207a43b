//! Options of a contract stand in the contract.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

struct Polite;

#[micro::handler(package = "greeter.v1", also)]
impl Greeter for Polite {
    #[micro(idempotent)]
    async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

struct Private;

#[micro::handler(client = "not a name", also(1))]
impl Private {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
    #[micro(idempotent)]
    async fn helper(&self) {}
}

fn main() {}

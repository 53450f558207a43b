//! A method of a contract is called, and given no events.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<()>;
}

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    #[subscribe(topic = "greeted")]
    async fn hello(&self, _ctx: &Context, _request: u32) -> Result<()> {
        Ok(())
    }
}

fn main() {}

//! What follows the request is not a place for answers.
#![allow(unused)]

use micro::{Context, Result, Sender};

#[micro::service]
trait Greeter {
    async fn second(&self, ctx: &Context, request: u32, more: String) -> Result<u32>;
    async fn shared(&self, ctx: &Context, request: u32, out: &Sender<u32>) -> Result<()>;
}

fn main() {}

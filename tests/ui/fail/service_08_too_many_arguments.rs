//! The methods take more than a request.
#![allow(unused)]

use micro::{Context, Result, Sender};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: u32, out: &mut Sender<u32>, more: u32, evenmore: u32) -> Result<()>;
}

fn main() {}

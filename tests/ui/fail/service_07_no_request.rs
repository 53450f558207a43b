//! The methods take no request.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context) -> Result<u32>;
}

fn main() {}

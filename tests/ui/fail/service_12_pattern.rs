//! An argument is taken apart where callers look for its name.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, (one, two): (u32, u32)) -> Result<u32>;
}

fn main() {}

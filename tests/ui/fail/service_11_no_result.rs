//! The methods return nothing.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: u32);
}

fn main() {}

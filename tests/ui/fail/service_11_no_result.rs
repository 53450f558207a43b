//! The methods return nothing.

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: u32);
}

fn main() {}

//! The attribute is missing, or is on something that is no `impl` block.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

impl Say {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

fn handle(_: impl micro::endpoint::Handler) {}

#[micro::handler]
trait Greeter {
    fn hello(&self);
}

#[micro::handler]
struct Other;

fn main() {
    handle(Say);
    let _ = Other;
}

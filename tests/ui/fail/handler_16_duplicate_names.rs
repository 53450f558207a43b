//! Two methods have one name on the wire.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn say_hello(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(name = "SayHello")]
    pub async fn greet(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

//! Options of methods on the block.

#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
#[micro(idempotent)]
#[subscribe(topic = "said")]
impl Say {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

fn main() {}

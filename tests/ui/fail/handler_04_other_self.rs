//! The methods take the value away, or inside something else.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn consume(self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    pub async fn shared(self: std::sync::Arc<Self>, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

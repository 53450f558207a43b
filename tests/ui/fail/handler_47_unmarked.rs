//! The attribute is missing.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

impl Say {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

fn handle(_: impl micro::endpoint::Handler) {}

fn main() {
    handle(Say);
}

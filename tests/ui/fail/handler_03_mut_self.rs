//! The methods want the value for themselves.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello(&mut self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

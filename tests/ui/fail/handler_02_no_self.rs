//! The methods are not called on a value.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello(ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

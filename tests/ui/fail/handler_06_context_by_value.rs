//! The context is not a shared reference.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn by_value(&self, ctx: Context, request: u32) -> Result<u32> {
        loop {}
    }
    pub async fn exclusive(&self, ctx: &mut Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

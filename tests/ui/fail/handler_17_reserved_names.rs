//! The methods have names that the client needs.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn new(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    pub async fn with_name(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    pub async fn __micro_hello(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

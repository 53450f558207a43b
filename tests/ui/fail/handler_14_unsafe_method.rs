//! The methods are more than `async fn`s.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async unsafe fn careful(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    pub async extern "C" fn foreign(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

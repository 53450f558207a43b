//! The messages are written as `Self`, or as `impl`.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn myself(&self, ctx: &Context, request: Self) -> Result<u32> {
        loop {}
    }
    pub async fn answer(&self, ctx: &Context, request: u32) -> Result<Box<Self>> {
        loop {}
    }
    pub async fn hidden(&self, ctx: &Context, request: u32) -> impl Send {
        loop {}
    }
}

fn main() {}

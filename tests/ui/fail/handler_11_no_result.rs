//! The methods return nothing.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello(&self, ctx: &Context, request: u32) {
        loop {}
    }
}

fn main() {}

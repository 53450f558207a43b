//! An argument is taken apart where callers look for its name.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello(&self, ctx: &Context, (one, two): (u32, u32)) -> Result<u32> {
        loop {}
    }
}

fn main() {}

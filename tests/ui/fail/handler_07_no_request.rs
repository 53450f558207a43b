//! The methods take no request.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello(&self, ctx: &Context) -> Result<u32> {
        loop {}
    }
}

fn main() {}

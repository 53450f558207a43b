//! Names that cannot stand in a path.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler(package = "say..v1", name = "Sa y")]
impl Say {
    #[micro(name = "say hello")]
    pub async fn spaced(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(name = "")]
    pub async fn empty(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

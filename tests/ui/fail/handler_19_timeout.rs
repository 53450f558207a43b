//! Timeouts that are none.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    #[micro(timeout = "1 parsec")]
    pub async fn unit(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(timeout = "5")]
    pub async fn no_unit(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(timeout = "0s")]
    pub async fn zero(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(timeout = "")]
    pub async fn empty(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(timeout = 5)]
    pub async fn number(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

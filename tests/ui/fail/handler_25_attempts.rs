//! Attempts that there cannot be.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    #[micro(retries = 3)]
    pub async fn not_idempotent(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(hedge = "20ms", attempt_timeout = "1s", coalesce)]
    pub async fn neither(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(idempotent, retries = 0, hedge = "20ms")]
    pub async fn none_left(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(idempotent, retries = "3")]
    pub async fn no_number(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(idempotent, hedge = "0s")]
    pub async fn at_once(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

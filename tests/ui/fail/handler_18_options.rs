//! Options that are not there, twice there, or not as they should be.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler(pakage = "say.v1", name = "Say", name = "Say")]
impl Say {
    #[micro(idempotant)]
    pub async fn unknown(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(idempotent)]
    #[micro(idempotent)]
    pub async fn twice(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(idempotent = true)]
    pub async fn value(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(name = 5)]
    pub async fn number(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(name)]
    pub async fn no_value(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro]
    pub async fn empty(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro("idempotent")]
    pub async fn literal(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[micro(idempotent timeout = "1s")]
    pub async fn no_comma(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    #[cfg_attr(all(), micro(idempotent))]
    pub async fn conditional(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

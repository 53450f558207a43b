//! The messages borrow.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn text(&self, ctx: &Context, request: &str) -> Result<u32> {
        loop {}
    }
    pub async fn inside(&self, ctx: &Context, request: Option<&'static str>) -> Result<u32> {
        loop {}
    }
    pub async fn answer(&self, ctx: &Context, request: u32) -> Result<&str> {
        loop {}
    }
}

fn main() {}

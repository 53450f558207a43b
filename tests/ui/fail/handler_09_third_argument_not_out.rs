//! What follows the request is not a place for answers.
#![allow(unused)]

use micro::{Context, Result, Sender};

struct Say;

#[micro::handler]
impl Say {
    pub async fn second(&self, ctx: &Context, request: u32, more: String) -> Result<u32> {
        loop {}
    }
    pub async fn shared(&self, ctx: &Context, request: u32, out: &Sender<u32>) -> Result<()> {
        loop {}
    }
}

fn main() {}

//! The methods have no context.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn nothing(&self) -> Result<u32> {
        loop {}
    }
    pub async fn request_only(&self, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

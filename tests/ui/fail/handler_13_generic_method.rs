//! The methods are generic.
#![allow(unused)]

use micro::{Context, Result};

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello<T: Send>(&self, ctx: &Context, request: u32) -> Result<u32> {
        loop {}
    }
    pub async fn bounded(&self, ctx: &Context, request: u32) -> Result<u32> where u32: Copy {
        loop {}
    }
    pub async fn any(&self, ctx: &Context, request: impl Send) -> Result<u32> {
        loop {}
    }
    pub async fn lifetime<'a>(&'a self, ctx: &'a Context, request: u32) -> Result<u32> {
        loop {}
    }
}

fn main() {}

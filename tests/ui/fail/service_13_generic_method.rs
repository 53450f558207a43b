//! The methods are generic.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello<T: Send>(&self, ctx: &Context, request: u32) -> Result<u32>;
    async fn bounded(&self, ctx: &Context, request: u32) -> Result<u32> where u32: Copy;
    async fn any(&self, ctx: &Context, request: impl Send) -> Result<u32>;
    async fn lifetime<'a>(&'a self, ctx: &'a Context, request: u32) -> Result<u32>;
}

fn main() {}

//! The methods have no context.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn nothing(&self) -> Result<u32>;
    async fn request_only(&self, request: u32) -> Result<u32>;
}

fn main() {}

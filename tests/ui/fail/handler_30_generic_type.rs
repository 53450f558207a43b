//! A service without a contract is one type with a name.

#![allow(unused)]

use micro::{Context, Result};

struct Say<T>(T);

#[micro::handler]
impl<T: Send> Say<T> {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

trait Nameless {}

#[micro::handler]
impl dyn Nameless {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

fn main() {}

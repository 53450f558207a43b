//! What a method holds while it waits must be `Send`.
#![allow(unused)]

use std::rc::Rc;

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: u32) -> Result<u32>;
}

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        let held = Rc::new(request);
        std::future::ready(()).await;
        Ok(*held)
    }
}

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        let held = Rc::new(request);
        std::future::ready(()).await;
        Ok(*held)
    }
}

fn main() {}

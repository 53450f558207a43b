//! Types that are no messages: each is reported once, where the contract names it.
#![allow(unused)]

use micro::{Context, Result, Sender, Streaming};

struct Request;
struct Reply;
struct Item;

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply>;
    async fn count(&self, ctx: &Context, upto: u32, out: &mut Sender<Item>) -> Result<()>;
    async fn sum(&self, ctx: &Context, items: Streaming<Item>) -> Result<u32>;
}

struct Polite;

#[micro::handler]
impl Greeter for Polite {
    async fn hello(&self, _: &Context, _: Request) -> Result<Reply> {
        Ok(Reply)
    }
    async fn count(&self, _: &Context, _: u32, _: &mut Sender<Item>) -> Result<()> {
        Ok(())
    }
    async fn sum(&self, _: &Context, _: Streaming<Item>) -> Result<u32> {
        Ok(1)
    }
}

struct Say;

#[micro::handler]
impl Say {
    pub async fn hello(&self, _ctx: &Context, _request: Request) -> Result<Reply> {
        Ok(Reply)
    }
}

fn main() {}

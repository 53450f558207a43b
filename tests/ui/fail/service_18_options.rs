//! Options that are not there, twice there, or not as they should be.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service(pakage = "greeter.v1", name = "Greeter", name = "Greeter")]
trait Greeter {
    #[micro(idempotant)]
    async fn unknown(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(idempotent)]
    #[micro(idempotent)]
    async fn twice(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(idempotent = true)]
    async fn value(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(name = 5)]
    async fn number(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(name)]
    async fn no_value(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro]
    async fn empty(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro("idempotent")]
    async fn literal(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(idempotent timeout = "1s")]
    async fn no_comma(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[cfg_attr(all(), micro(idempotent))]
    async fn conditional(&self, ctx: &Context, request: u32) -> Result<u32>;
}

#[micro::service(descriptors)]
trait Undescribed {}

fn main() {}

//! Attempts that there cannot be.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
pub trait Say {
    #[micro(retries = 3)]
    async fn not_idempotent(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(hedge = "20ms", attempt_timeout = "1s", coalesce)]
    async fn neither(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(idempotent, retries = 0, hedge = "20ms")]
    async fn none_left(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(idempotent, retries = "3")]
    async fn no_number(&self, ctx: &Context, request: u32) -> Result<u32>;
    #[micro(idempotent, hedge = "0s")]
    async fn at_once(&self, ctx: &Context, request: u32) -> Result<u32>;
}

fn main() {}

//! Serde's derives are missing.
#![allow(unused)]

use micro::{Context, Result};

#[derive(micro::Message)]
struct Request {
    name: String,
}

#[derive(micro::Message, serde::Serialize)]
struct Reply {
    name: String,
}

#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply>;
}

fn main() {}

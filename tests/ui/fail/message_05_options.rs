//! Options that are not there, or not here.
#![allow(unused)]

use micro::{Context, Result};

#[derive(micro::Message, serde::Serialize, serde::Deserialize)]
#[micro(nam = "greeter.v1.Request")]
struct Request {
    #[micro(name = "who")]
    name: String,
}

#[derive(micro::Message, serde::Serialize, serde::Deserialize)]
#[micro(name = "greeter.v1.", crate = "not a path")]
enum Reply {
    #[micro(skip)]
    Text(String),
}

// They are messages all the same, so that nothing else is reported.
#[micro::service]
trait Greeter {
    async fn hello(&self, ctx: &Context, request: Request) -> Result<Reply>;
}

fn main() {}

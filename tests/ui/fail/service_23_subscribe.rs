//! A contract says what is called, and not who listens.
#![allow(unused)]

use micro::{Context, Result};

#[micro::service]
trait Greeter {
    #[subscribe(topic = "greeted")]
    async fn on_greeted(&self, ctx: &Context, event: u32) -> Result<()>;
}

fn main() {}

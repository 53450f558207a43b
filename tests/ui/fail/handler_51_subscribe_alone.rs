//! `#[subscribe]` where no handler reads it.
#![allow(unused)]

use micro::{Context, Result};

struct Audit;

impl Audit {
    #[micro::subscribe(topic = "greeted")]
    async fn on_greeted(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
}

#[micro::subscribe(topic = "greeted")]
async fn on_greeted(_ctx: &Context, _event: u32) -> Result<()> {
    Ok(())
}

fn main() {}

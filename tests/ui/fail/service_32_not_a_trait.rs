//! The attribute is on something that is no trait.
#![allow(unused)]

use micro::{Context, Result};

struct Polite;

#[micro::service]
impl Polite {
    pub async fn hello(&self, _ctx: &Context, request: u32) -> Result<u32> {
        Ok(request)
    }
}

#[micro::service]
fn hello() {}

#[micro::service]
struct Other;

fn main() {
    hello();
    let _ = Other;
}

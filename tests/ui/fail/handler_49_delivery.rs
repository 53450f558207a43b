//! Subscribers that ask for what nobody can give.
#![allow(unused)]

use micro::{Context, Result};

struct Audit;

#[micro::handler]
impl Audit {
    #[subscribe(topic = "greeted", attempts = 0)]
    async fn no_attempt(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", concurrency = 0)]
    async fn none_at_a_time(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", at_most_once, attempts = 5)]
    async fn attempts_at_once(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", attempts = "many", concurrency)]
    async fn not_numbers(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", at_most_once = true, ordered(key))]
    async fn not_flags(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", timeout = "0s")]
    async fn no_time(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", timeout = "soon")]
    async fn not_a_time(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", ordered, ordered)]
    async fn repeated(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
}

fn main() {}

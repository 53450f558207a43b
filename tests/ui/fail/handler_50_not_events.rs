//! The types are not those of a subscriber.
#![allow(unused)]

use micro::{Context, Event, Result, Streaming};

struct Oops;

struct Audit;

#[micro::handler]
impl Audit {
    #[subscribe(topic = "greeted")]
    async fn not_a_message(&self, _ctx: &Context, _event: Oops) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn not_an_event_of_a_message(&self, _ctx: &Context, _event: Event<Oops>) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn many(&self, _ctx: &Context, _events: Streaming<u32>) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn answers(&self, _ctx: &Context, _event: u32) -> Result<u32> {
        Ok(1)
    }
    #[subscribe(topic = "greeted")]
    async fn not_a_result(&self, _ctx: &Context, _event: u32) -> u32 {
        1
    }
    #[subscribe(topic = "greeted")]
    async fn not_a_context(&self, _ctx: &u32, _event: u32) -> Result<()> {
        Ok(())
    }
}

fn main() {}

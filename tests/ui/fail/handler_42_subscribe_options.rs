//! Subscribers that are none.
#![allow(unused)]

use micro::{Context, Event, Result};

struct Audit;

#[micro::handler]
impl Audit {
    #[subscribe]
    async fn nothing(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(group = "audit")]
    async fn no_topic(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "")]
    async fn empty(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", queue = "audit")]
    async fn unknown(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted", group = "")]
    async fn empty_group(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "one")]
    #[subscribe(topic = "two")]
    async fn twice(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[micro(idempotent)]
    #[subscribe(topic = "greeted")]
    async fn endpoint(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    fn not_async(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn no_context(&self, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn no_event(&self, _ctx: &Context) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn two_events(&self, _ctx: &Context, _one: u32, _two: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn answers(&self, _ctx: &Context, _event: u32, _out: &mut micro::Sender<u32>) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn borrows(&self, _ctx: &Context, _event: Event<&str>) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "greeted")]
    async fn returns_nothing(&self, _ctx: &Context, _event: u32) {}
}

fn main() {}

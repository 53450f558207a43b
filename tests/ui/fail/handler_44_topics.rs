//! Topics of other events than the subscriber takes, and values that are no topics and no groups.
#![allow(unused)]

use micro::{Context, Event, Result, Topic};
use serde::{Deserialize, Serialize};

#[derive(micro::Message, Serialize, Deserialize)]
struct Greeted;

const GREETED: Topic<Greeted> = Topic::new("greeted");
const NAME: &str = "greeted";

mod topics {
    pub const COUNTED: micro::Topic<u64> = micro::Topic::new("counted");
}

struct Audit;

#[micro::handler]
impl Audit {
    #[subscribe(topic = GREETED)]
    async fn other_payload(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = topics::COUNTED)]
    async fn other_event(&self, _ctx: &Context, _event: Event<Greeted>) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = NAME)]
    async fn no_topic(&self, _ctx: &Context, _event: Greeted) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = GREETED, group = GREETED)]
    async fn no_group(&self, _ctx: &Context, _event: Greeted) -> Result<()> {
        Ok(())
    }
}

struct Odd;

#[micro::handler]
impl Odd {
    #[subscribe(topic = 7)]
    async fn number(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = Topic::<u32>::new("greeted"))]
    async fn call(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic, group)]
    async fn no_values(&self, _ctx: &Context, _event: u32) -> Result<()> {
        Ok(())
    }
}

fn main() {}

//! Subscribers take events or payloads, however the types, the topics and the groups are written.

#![deny(warnings)]

use micro::endpoint::{Binder, Handler};
use micro::{Context, Event, Result, Topic};
use serde::{Deserialize, Serialize};

#[derive(micro::Message, Serialize, Deserialize)]
struct Greeted {
    name: String,
}

type Greeting = Greeted;
type GreetedEvent = Event<Greeting>;
type Given<T> = micro::Event<T>;

const GREETED: Topic<Greeted> = Topic::new("greeted");

mod topics {
    pub(super) const COUNTED: micro::Topic<u64> = micro::Topic::new("counted");
    pub(super) const GROUP: &str = "audit";
}

trait Named {
    const COUNTED: Topic<u64>;
}

struct Audit;

impl Named for Audit {
    const COUNTED: Topic<u64> = topics::COUNTED;
}

impl Audit {
    const GREETED: Topic<Greeting> = GREETED;
    const GROUP: &'static str = topics::GROUP;
}

#[micro::handler]
impl Audit {
    #[subscribe(topic = GREETED)]
    async fn event(&self, _ctx: &Context, event: Event<Greeted>) -> Result<()> {
        let _: (&str, u32) = (&event.payload.name, event.attempt());
        Ok(())
    }
    #[subscribe(topic = GREETED, group = "audit")]
    async fn payload(&self, _ctx: &Context, greeted: Greeted) -> Result<()> {
        let _: String = greeted.name;
        Ok(())
    }
    #[subscribe(topic = Self::GREETED, group = Self::GROUP)]
    async fn aliases(&self, _: &Context, _: GreetedEvent) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = topics::COUNTED, group = topics::GROUP)]
    async fn paths(&self, _: &micro::Context, _: Given<u64>) -> micro::Result<()> {
        Ok(())
    }
    #[micro::subscribe(topic = <Audit as Named>::COUNTED)]
    async fn of_a_trait(&self, _: &Context, _: u64) -> std::result::Result<(), micro::Error> {
        Ok(())
    }
    #[subscribe(topic = "counted", at_most_once, concurrency = 1, ordered)]
    async fn options(&self, _: &Context, _: Event<Vec<u64>>) -> Result<()> {
        Ok(())
    }
    #[subscribe(topic = "counted", attempts = 1, timeout = "1m 30s")]
    async fn more_options(&self, _: &Context, (): ()) -> Result<()> {
        Ok(())
    }
}

pub(crate) fn main() {
    let mut binder = Binder::default();
    std::sync::Arc::new(Audit).bind(&mut binder);
    let subscribed: Vec<_> =
        binder.subscribers().map(|known| (known.method.name, known.topic, known.group)).collect();
    assert_eq!(
        subscribed,
        [
            ("Event", "greeted", ""),
            ("Payload", "greeted", "audit"),
            ("Aliases", "greeted", "audit"),
            ("Paths", "counted", "audit"),
            ("OfATrait", "counted", ""),
            ("Options", "counted", ""),
            ("MoreOptions", "counted", ""),
        ]
    );
    let all: Vec<_> = binder.subscribers().collect();
    let names: Vec<_> = all.iter().map(|known| known.method.request.shape.name).collect();
    assert_eq!(names[..4], ["Greeted", "Greeted", "Greeted", "uint64"]);
    let (options, more) = (all[5], all[6]);
    assert!(options.at_most_once && options.ordered && !more.at_most_once && !more.ordered);
    assert_eq!((options.concurrency, options.attempts, options.method.timeout), (Some(1), None, None));
    let timeout = Some(std::time::Duration::from_secs(90));
    assert_eq!((more.concurrency, more.attempts, more.method.timeout), (None, Some(1), timeout));
}

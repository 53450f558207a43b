//! Methods with `#[subscribe(…)]`, in services that share a broker.

#![allow(clippy::unwrap_used)]

#[path = "common/soon.rs"]
mod soon;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use micro::broker::Memory;
use micro::messaging::{Publisher, dead_letter};
use micro::{Context, Environment, Error, Event, Result, Running, Service, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use soon::soon;

#[derive(Clone, Debug, PartialEq, micro::Message, Serialize, Deserialize)]
struct Greeted {
    name: String,
}

const GREETED: Topic<Greeted> = Topic::new("greeted");
const COUNTED: Topic<u32> = Topic::new("counted");
const LOST: Topic<u32> = Topic::new("lost");
const TICKED: Topic<u32> = Topic::new("ticked");
const SLOW: Topic<u32> = Topic::new("slow");

fn greeted(name: &str) -> Greeted {
    Greeted { name: name.to_owned() }
}

/// Tells what it is given.
struct Audit {
    told: mpsc::UnboundedSender<String>,
    busy: AtomicU32,
}

impl Audit {
    fn tell(&self, text: impl Into<String>) {
        let _ = self.told.send(text.into());
    }
}

#[micro::handler]
impl Audit {
    /// Greets, and says so.
    pub async fn greet(&self, ctx: &Context, name: String) -> Result<()> {
        ctx.publish(GREETED, greeted(&name)).await
    }

    #[subscribe(topic = GREETED)]
    async fn event(&self, ctx: &Context, event: Event<Greeted>) -> Result<()> {
        let tenant = (event.headers().get("tenant"), ctx.metadata().get("tenant"));
        assert!(event.time().is_some() && event.id().is_some());
        let Event { payload: Greeted { name }, .. } = &event;
        self.tell(format!("{name} in {}, {:?}, {tenant:?}", event.topic(), event.key()));
        Ok(())
    }

    #[subscribe(topic = GREETED, group = "audit")]
    async fn payload(&self, _ctx: &Context, greeted: Greeted) -> Result<()> {
        self.tell(greeted.name);
        Ok(())
    }

    #[subscribe(topic = COUNTED, attempts = 3)]
    async fn counted(&self, _ctx: &Context, event: Event<u32>) -> Result<()> {
        self.tell(format!("attempt {}", event.attempt()));
        match event.attempt() {
            1 => Err(Error::aborted("not yet")),
            2 => panic!("not yet either"),
            _ => Err(Error::not_found(format!("no {}", event.payload))),
        }
    }

    #[subscribe(topic = LOST, at_most_once)]
    async fn lost(&self, _ctx: &Context, number: u32) -> Result<()> {
        self.tell(format!("{number}"));
        Err(Error::aborted("and not again"))
    }

    #[subscribe(topic = TICKED, attempts = 1, timeout = "1s")]
    async fn ticked(&self, _ctx: &Context, _: u32) -> Result<()> {
        std::future::pending().await
    }

    #[subscribe(topic = SLOW, concurrency = 1)]
    async fn slow(&self, _ctx: &Context, number: u32) -> Result<()> {
        assert_eq!(self.busy.fetch_add(1, Ordering::SeqCst), 0, "one at a time");
        tokio::time::sleep(Duration::from_millis(10)).await;
        self.busy.store(0, Ordering::SeqCst);
        self.tell(format!("{number}"));
        Ok(())
    }
}

/// A service with one of these.
struct Site {
    running: Running,
    publisher: Publisher,
    told: mpsc::UnboundedReceiver<String>,
}

impl Site {
    async fn start(broker: &Arc<Memory>) -> Self {
        let (sender, told) = mpsc::unbounded_channel();
        let audit = Audit { told: sender, busy: AtomicU32::new(0) };
        let service = Service::new("audit").environment(Environment::empty()).broker(broker.clone());
        let running = service.handle(audit).in_memory().await.unwrap();
        Self { publisher: running.publisher(), running, told }
    }

    async fn told(&mut self) -> String {
        soon(self.told.recv()).await.unwrap()
    }

    /// The next dead letter of a topic: its body, why it is one, and after how many attempts.
    async fn dead(&self, topic: &str) -> (String, String, String) {
        let topic = Topic::<u32>::named(format!("{topic}.dead-letter"));
        let broker = self.publisher.broker().unwrap();
        let options = micro::broker::SubscribeOptions::new(topic.name());
        let letter = soon(broker.subscribe(options).await.unwrap().next()).await.unwrap();
        let header = |name| letter.envelope.headers.get(name).unwrap_or_default().to_owned();
        let body = String::from_utf8(letter.envelope.body.to_vec()).unwrap();
        let said = (body, header(dead_letter::REASON), header(dead_letter::ATTEMPTS));
        letter.ack().await.unwrap();
        said
    }
}

#[tokio::test]
async fn a_subscriber_is_given_the_event_or_its_payload() {
    let mut site = Site::start(&Arc::default()).await;
    let published = site.publisher.publish(&Context::new(), GREETED, greeted("Ada"));
    published.key("7").header("Tenant", "acme").await.unwrap();
    let mut told = [site.told().await, site.told().await];
    told.sort();
    assert_eq!(told, ["Ada", r#"Ada in greeted, Some("7"), (None, Some("acme"))"#]);
    site.running.stop().await.unwrap();
}

#[tokio::test]
async fn of_a_group_one_is_given_the_event_and_everybody_else_is_as_well() {
    let broker = Arc::default();
    let (mut one, mut other) = (Site::start(&broker).await, Site::start(&broker).await);
    let client = AuditClient::new(&one.running.client());
    client.greet(&Context::new(), "Ada".to_owned()).await.unwrap();
    // Each service has a subscriber without a group, and one of the two the event of the group.
    let mut told = vec![one.told().await, other.told().await];
    tokio::select! {
        third = one.told() => told.push(third),
        third = other.told() => told.push(third),
    }
    told.sort();
    assert_eq!(told, ["Ada", "Ada in greeted, None, (None, None)", "Ada in greeted, None, (None, None)"]);
    one.running.stop().await.unwrap();
    other.running.stop().await.unwrap();
    assert_eq!((one.told.try_recv().ok(), other.told.try_recv().ok()), (None, None));
}

#[tokio::test(start_paused = true)]
async fn an_error_and_a_panic_are_attempts_and_after_the_last_one_it_is_a_dead_letter() {
    let mut site = Site::start(&Arc::default()).await;
    site.publisher.publish(&Context::new(), COUNTED, 7).await.unwrap();
    for attempt in ["attempt 1", "attempt 2", "attempt 3"] {
        assert_eq!(site.told().await, attempt);
    }
    let letter = site.dead("counted").await;
    assert_eq!(letter, ("7".to_owned(), "not_found: no 7".to_owned(), "3".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_cannot_be_read_is_a_dead_letter_before_any_handler_sees_it() {
    let mut site = Site::start(&Arc::default()).await;
    let odd = Topic::<String>::named(COUNTED.name());
    site.publisher.publish(&Context::new(), odd, "seven".to_owned()).await.unwrap();
    let (body, reason, attempts) = site.dead("counted").await;
    assert_eq!((body.as_str(), attempts.as_str()), ("\"seven\"", "1"));
    assert!(reason.starts_with("invalid_argument: the event cannot be read: "), "{reason}");
    assert_eq!(site.told.try_recv().ok(), None);
}

#[tokio::test(start_paused = true)]
async fn at_most_once_is_not_again() {
    let mut site = Site::start(&Arc::default()).await;
    for number in [1, 2] {
        site.publisher.publish(&Context::new(), LOST, number).await.unwrap();
    }
    let mut told = [site.told().await, site.told().await];
    told.sort();
    assert_eq!(told, ["1", "2"]);
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(site.told.try_recv().ok(), None);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_has_failed() {
    let site = Site::start(&Arc::default()).await;
    site.publisher.publish(&Context::new(), TICKED, 1).await.unwrap();
    let (_, reason, attempts) = site.dead("ticked").await;
    assert_eq!(
        (reason.as_str(), attempts.as_str()),
        ("deadline_exceeded: Audit/Ticked was not done within 1s", "1")
    );
}

#[tokio::test(start_paused = true)]
async fn no_more_events_are_handled_at_the_same_time_than_the_subscriber_says() {
    let mut site = Site::start(&Arc::default()).await;
    let published = site.publisher.publish_all(&Context::new(), SLOW, 0..20).await;
    assert_eq!(published.unwrap(), 20);
    let mut told = Vec::new();
    for _ in 0..20 {
        told.push(site.told().await.parse::<u32>().unwrap());
    }
    told.sort_unstable();
    assert_eq!(told, (0..20).collect::<Vec<_>>());
}

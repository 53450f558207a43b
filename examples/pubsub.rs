//! Events: a service publishes who was greeted, and two others are told, each in its own way. One of them fails now
//! and then, and is given the event again; one event it can never handle, which becomes a dead letter.
//!
//! ```text
//! cargo run --example pubsub
//! ```
//!
//! Nothing has to be installed. With `MICRO_BROKER=nats` or `MICRO_BROKER=rabbitmq`, and the cargo feature of that name,
//! the same program uses that server.

use std::time::Duration;

use micro::messaging::dead_letter;
use micro::{Client, Context, Error, Event, Result, Service, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Somebody was greeted.
#[derive(Debug, micro::Message, Serialize, Deserialize)]
pub struct Greeted {
    /// Who.
    pub name: String,
}

/// Publishers and subscribers share the constant, and so they agree on the type.
const GREETED: Topic<Greeted> = Topic::new("greeted");

/// Where events go that nobody can handle.
const DEAD: Topic<Greeted> = Topic::new("greeted.dead-letter");

struct Polite;

#[micro::handler]
impl Polite {
    /// Greets somebody, and says so.
    pub async fn hello(&self, ctx: &Context, name: String) -> Result<String> {
        ctx.publish(GREETED, Greeted { name: name.clone() }).await?;
        Ok(format!("Good day, {name}"))
    }
}

/// Writes down what happened.
struct Audit(mpsc::UnboundedSender<()>);

#[micro::handler]
impl Audit {
    /// Takes the payload alone.
    #[subscribe(topic = GREETED, group = "audit")]
    async fn on_greeted(&self, _ctx: &Context, greeted: Greeted) -> Result<()> {
        println!("audit:  {} was greeted", greeted.name);
        let _ = self.0.send(());
        Ok(())
    }
}

/// Sends letters, which does not always work.
struct Mailer(mpsc::UnboundedSender<()>);

#[micro::handler]
impl Mailer {
    /// Takes the event with what is known of it.
    #[subscribe(topic = GREETED, group = "mailer", attempts = 3, concurrency = 4)]
    async fn on_greeted(&self, _ctx: &Context, event: Event<Greeted>) -> Result<()> {
        let name = &event.payload.name;
        if name == "nobody" {
            return Err(Error::not_found("nobody has no address").with_no_retry());
        }
        if event.attempt() == 1 && name.len().is_multiple_of(2) {
            println!("mailer: no letter to {name}, the post office is closed");
            return Err(Error::unavailable("closed"));
        }
        println!("mailer: a letter to {name}, in attempt {}", event.attempt());
        let _ = self.0.send(());
        Ok(())
    }

    /// Is told of what could not be handled.
    #[subscribe(topic = DEAD, group = "mailer")]
    async fn on_dead_letter(&self, _ctx: &Context, event: Event<Greeted>) -> Result<()> {
        let reason = event.headers().get(dead_letter::REASON).unwrap_or("no reason");
        println!("mailer: no letter to {}, for good: {reason}", event.payload.name);
        let _ = self.0.send(());
        Ok(())
    }
}

#[tokio::main]
async fn main() -> Result<()> {
    let (done, mut told) = mpsc::unbounded_channel();
    let audit = Service::new("audit").handle(Audit(done.clone())).start().await?;
    let mailer = Service::new("mailer").handle(Mailer(done)).start().await?;
    let greeter = Service::new("greeter").handle(Polite).start().await?;

    let polite = PoliteClient::with_name(&Client::new(), "greeter");
    let names = ["Ada", "Emmy", "nobody"];
    for name in names {
        println!("{}", polite.hello(&Context::new(), name.to_owned()).await?);
    }
    // Each of the two is done with each of them in the end.
    for _ in 0..names.len() * 2 {
        if tokio::time::timeout(Duration::from_secs(30), told.recv()).await.is_err() {
            return Err(Error::deadline_exceeded("an event did not arrive"));
        }
    }
    greeter.stop().await?;
    mailer.stop().await?;
    audit.stop().await
}

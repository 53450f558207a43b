//! Publishes and subscribes with the broker that `MICRO_BROKER` and `MICRO_BROKER_ADDRESS` name:
//!
//! ```text
//! go-micro-broker subscribe <topic> [<group>]   says each event, until its input ends
//! go-micro-broker publish <topic> <count>       says each event
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;

use micro::broker::{Broker, Envelope, Guarantee, SubscribeOptions, Surroundings};
use micro::{Environment, Error, Result, broker, registry};
use serde::Serialize;
use tokio::io::{AsyncReadExt as _, stdin};

#[tokio::main]
async fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let environment = Environment::process();
    let around = Surroundings::new(registry::from_environment(&environment)?);
    let broker = broker::from_environment(&environment, &around)?;
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["subscribe", topic] => subscribe(broker, SubscribeOptions::new(topic)).await,
        ["subscribe", topic, group] => subscribe(broker, SubscribeOptions::new(topic).group(group)).await,
        ["publish", topic, count] => {
            let count = count.parse().map_err(|error| Error::invalid_argument(format!("{error}")))?;
            publish(broker, topic, count).await
        }
        _ => Err(Error::invalid_argument("go-micro-broker subscribe|publish <topic> …")),
    }
}

async fn subscribe(broker: Arc<dyn Broker>, options: SubscribeOptions) -> Result<()> {
    // What a program of go-micro publishes to NATS or RabbitMQ is at most once.
    let options = match broker.name() {
        "http" => options,
        _ => options.guarantee(Guarantee::AtMostOnce),
    };
    let mut subscription = broker.subscribe(options).await?;
    println!("subscribed");
    let mut end = [0];
    let (mut input, mut ended) = (stdin(), false);
    while !ended {
        tokio::select! {
            delivery = subscription.next() => match delivery {
                Some(delivery) => {
                    say(&delivery.envelope)?;
                    delivery.ack().await?;
                }
                None => ended = true,
            },
            _ = input.read(&mut end) => ended = true,
        }
    }
    subscription.end().await?;
    broker.close().await
}

async fn publish(broker: Arc<dyn Broker>, topic: &str, count: usize) -> Result<()> {
    for number in 1..=count {
        let envelope = Envelope::new(format!("{{\"number\":{number}}}\n"))
            .with(Envelope::CONTENT_TYPE, "application/json")
            .with(Envelope::TOPIC, topic)
            .with(Envelope::ID, format!("rust-{number}"))
            .with("Tenant", "Ä \"quoted\" <&>");
        say(&envelope)?;
        broker.publish(topic, envelope).await?;
    }
    broker.close().await?;
    println!("published");
    Ok(())
}

/// One line that the Go program says just so.
fn say(envelope: &Envelope) -> Result<()> {
    #[derive(Serialize)]
    struct Said<'a> {
        body: &'a str,
        header: BTreeMap<&'a str, &'a str>,
    }
    let body = std::str::from_utf8(&envelope.body).map_err(|error| Error::internal(error.to_string()))?;
    let said = Said { body, header: envelope.headers.iter().collect() };
    println!("event {}", serde_json::to_string(&said).map_err(|error| Error::internal(error.to_string()))?);
    Ok(())
}

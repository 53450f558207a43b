//! Events through a broker, beside the bare client library of that broker, in one run:
//! `ci/servers.sh cargo bench --bench events`.
//!
//! Both do the same work: 1 KiB each, published with the broker's confirmation and some hundred on their way,
//! delivered at least once to one member of a group, and acknowledged one by one. The bare library sends the bytes and
//! nothing else. Rounds are interleaved, and what is printed is the median; read the ratio, which is to be 0.8 or more.
//! A server that is not there (`MICRO_TEST_NATS`, `MICRO_TEST_RABBITMQ`) is left out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use micro::broker::{Broker, Nats, RabbitMq};
use micro::messaging::Publisher;
use micro::{Context, Event, Result, Topic};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

/// So many events are published and handled in a round.
const EVENTS: usize = 10_000;
const ROUNDS: usize = 3;
/// On their way to the broker, and in hand of the subscriber, at the same time.
const WINDOW: usize = 256;
const BYTES: usize = 1024;
/// A round that takes longer is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(micro::Message, Serialize, Deserialize)]
struct Filled {
    text: String,
}

/// Counts what was handled.
#[derive(Clone, Default)]
struct Count(Arc<(AtomicUsize, Notify)>);

impl Count {
    fn one(&self) {
        if self.0.0.fetch_add(1, Ordering::Relaxed) + 1 == EVENTS {
            self.0.1.notify_one();
        }
    }

    async fn all(&self) {
        self.0.1.notified().await;
    }
}

fn unique(what: &str) -> String {
    format!("bench.{what}.{:08x}", fastrand::u32(..))
}

/// Events with a type, as a program publishes and handles them.
async fn ours(broker: impl Broker) -> Result<Duration, Failure> {
    let publisher = Publisher::new(broker);
    let topic = Topic::<Filled>::named(unique("ours"));
    let count = Count::default();
    let counted = count.clone();
    let subscribed = publisher
        .subscribe(&topic)
        .group("bench")
        .concurrency(WINDOW)
        .each(move |_, event: Event<Filled>| {
            let counted = counted.clone();
            async move {
                assert_eq!(event.payload.text.len(), BYTES);
                counted.one();
                Ok(())
            }
        })
        .await?;
    let begun = Instant::now();
    let events = (0..EVENTS).map(|_| Filled { text: "x".repeat(BYTES) });
    let ctx = Context::new();
    let published = publisher.publish_all(&ctx, &topic, events);
    let (published, ()) = tokio::join!(published, count.all());
    published?;
    let took = begun.elapsed();
    subscribed.stop().await;
    Ok(took)
}

async fn bare_nats(address: &str) -> Result<Duration, Failure> {
    let client = async_nats::connect(address).await?;
    let jetstream = async_nats::jetstream::new(client.clone());
    let subject = unique("bare");
    let name = subject.replace('.', "_");
    let stream = jetstream
        .create_stream(async_nats::jetstream::stream::Config {
            name: name.clone(),
            subjects: vec![subject.clone()],
            retention: async_nats::jetstream::stream::RetentionPolicy::Interest,
            ..Default::default()
        })
        .await?;
    let consumer = stream
        .create_consumer(async_nats::jetstream::consumer::pull::Config {
            durable_name: Some("bench".into()),
            max_ack_pending: WINDOW as i64,
            ..Default::default()
        })
        .await?;
    let count = Count::default();
    let counted = count.clone();
    let mut messages = consumer.stream().max_messages_per_batch(WINDOW).messages().await?;
    let reader = tokio::spawn(async move {
        while let Some(Ok(message)) = messages.next().await {
            if message.ack().await.is_ok() {
                counted.one();
            }
        }
    });
    let begun = Instant::now();
    let publish = stream::iter(0..EVENTS)
        .map(|_| {
            let (jetstream, subject) = (jetstream.clone(), subject.clone());
            async move {
                jetstream.publish(subject, "x".repeat(BYTES).into()).await?.await?;
                Ok::<_, Failure>(())
            }
        })
        .buffer_unordered(WINDOW)
        .try_collect::<()>();
    let (published, ()) = tokio::join!(publish, count.all());
    published?;
    let took = begun.elapsed();
    reader.abort();
    jetstream.delete_stream(name).await?;
    Ok(took)
}

async fn bare_rabbitmq(address: &str) -> Result<Duration, Failure> {
    let connection = Connection::connect(address, ConnectionProperties::default()).await?;
    let (sending, receiving) = (connection.create_channel().await?, connection.create_channel().await?);
    sending.confirm_select(ConfirmSelectOptions::default()).await?;
    let queue = unique("bare");
    let durable = QueueDeclareOptions { durable: true, ..Default::default() };
    receiving.queue_declare(queue.as_str().into(), durable, FieldTable::default()).await?;
    receiving.basic_qos(WINDOW as u16, BasicQosOptions::default()).await?;
    let consume = BasicConsumeOptions::default();
    let mut consumer = receiving
        .basic_consume(queue.as_str().into(), "bench".into(), consume, FieldTable::default())
        .await?;
    let count = Count::default();
    let counted = count.clone();
    let reader = tokio::spawn(async move {
        while let Some(Ok(delivery)) = consumer.next().await {
            if delivery.acker.ack(BasicAckOptions::default()).await.is_ok() {
                counted.one();
            }
        }
    });
    let begun = Instant::now();
    let body = "x".repeat(BYTES);
    let publish = stream::iter(0..EVENTS)
        .map(|_| {
            let (sending, queue, body) = (&sending, queue.as_str(), body.as_bytes());
            async move {
                let properties = BasicProperties::default().with_delivery_mode(2);
                let options = BasicPublishOptions::default();
                sending.basic_publish("".into(), queue.into(), options, body, properties).await?.await?;
                Ok::<_, Failure>(())
            }
        })
        .buffer_unordered(WINDOW)
        .try_collect::<()>();
    let (published, ()) = tokio::join!(publish, count.all());
    published?;
    let took = begun.elapsed();
    reader.abort();
    receiving.queue_delete(queue.as_str().into(), QueueDeleteOptions::default()).await?;
    connection.close(200, "".into()).await?;
    Ok(took)
}

/// The middle one of the times.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times.get(times.len() / 2).map_or(f64::NAN, Duration::as_secs_f64)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let (nats, rabbitmq) = (std::env::var("MICRO_TEST_NATS").ok(), std::env::var("MICRO_TEST_RABBITMQ").ok());
    let mut times: BTreeMap<(&str, &str), Vec<Duration>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        if let Some(address) = &nats {
            let broker = Nats::parse(address)?;
            times.entry(("nats", "ours")).or_default().push(timeout(PATIENCE, ours(broker)).await??);
            times.entry(("nats", "bare")).or_default().push(timeout(PATIENCE, bare_nats(address)).await??);
        }
        if let Some(address) = &rabbitmq {
            let broker = RabbitMq::new(address)?;
            times.entry(("rabbitmq", "ours")).or_default().push(timeout(PATIENCE, ours(broker)).await??);
            times
                .entry(("rabbitmq", "bare"))
                .or_default()
                .push(timeout(PATIENCE, bare_rabbitmq(address)).await??);
        }
    }
    println!("{EVENTS} events of {BYTES} bytes, published with confirmation, handled and acknowledged");
    println!("{:10} {:>14} {:>14} {:>8}", "broker", "bare, per s", "ours, per s", "ratio");
    for name in ["nats", "rabbitmq"] {
        let (Some(bare), Some(ours)) = (times.remove(&(name, "bare")), times.remove(&(name, "ours"))) else {
            println!("{name:10} no server: set MICRO_TEST_{}", name.to_uppercase());
            continue;
        };
        let (bare, ours) = (EVENTS as f64 / median(bare), EVENTS as f64 / median(ours));
        println!("{name:10} {bare:>14.0} {ours:>14.0} {:>8.2}", ours / bare);
    }
    Ok(())
}

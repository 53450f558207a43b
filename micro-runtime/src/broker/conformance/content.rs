//! What an event and a topic may be.

use std::time::Duration;

use tokio::time::timeout;

use super::Scenario;
use super::scene::{Scene, event, expect};
use crate::broker::{Broker, Envelope, Headers};
use crate::error::{Code, Error, Result};

pub(super) const SCENARIOS: &[Scenario] = &[
    ("a large event arrives whole", |scene| Box::pin(large(scene))),
    ("an event that is too large is refused, and the next one arrives", |scene| Box::pin(too_large(scene))),
    ("events of all bytes, of none and without headers arrive", |scene| Box::pin(bytes(scene))),
    ("headers arrive as they are", |scene| Box::pin(headers(scene))),
    ("odd headers arrive as they are or are refused", |scene| Box::pin(odd_headers(scene))),
    ("too many and too large headers are refused", |scene| Box::pin(too_many_headers(scene))),
    ("topics of many kinds are carried", |scene| Box::pin(topics(scene))),
    ("odd topics are carried as they are or are refused", |scene| Box::pin(odd_topics(scene))),
];

async fn large(scene: &Scene) -> Result<()> {
    let body: Vec<u8> = (0..scene.promises.carries).map(|place| (place % 251) as u8).collect();
    let sent = Envelope { body: body.into(), ..event(1) };
    let seen = scene.carry(&scene.topic, sent.clone()).await??;
    // Not the bytes themselves, in a message for people.
    expect("the size of the body", sent.body.len(), seen.body.len())?;
    expect("whether the body is the same", true, sent.body == seen.body)
}

async fn too_large(scene: &Scene) -> Result<()> {
    let Some(size) = scene.promises.refuses else { return Ok(()) };
    let sent = Envelope { body: vec![b'x'; size].into(), ..event(1) };
    match scene.carry(&scene.topic, sent).await? {
        Ok(_) => return Err(Error::internal(format!("an event of {size} bytes was taken"))),
        Err(error) => expect("the refusal", Code::InvalidArgument, error.code())?,
    }
    expect("the next event", event(2).body, scene.carry(&scene.topic, event(2)).await??.body)
}

async fn bytes(scene: &Scene) -> Result<()> {
    let all: Vec<u8> = (0..=255).rev().collect();
    for body in [all, vec![0], vec![0xff; 3], b"\r\n\r\n".to_vec(), Vec::new()] {
        let sent = Envelope { body: body.into(), ..event(1) };
        let seen = scene.carry(&scene.topic, sent.clone()).await??;
        expect("the body", sent.body, seen.body)?;
    }
    let seen = scene.carry(&scene.topic, Envelope::new("bare")).await??;
    expect("the body of an event without headers", &b"bare"[..], &seen.body)?;
    let seen = scene.carry(&scene.topic, Envelope::default()).await??;
    expect("the body of an event that is nothing at all", &b""[..], &seen.body)
}

async fn headers(scene: &Scene) -> Result<()> {
    let mut sent = event(1);
    let long = "long ".repeat(1000) + "end";
    for (name, value) in [
        ("tenant", "a"),
        // Names are told apart by case.
        ("Tenant", "b"),
        ("X-Empty", ""),
        ("X-Unicode", "größe ≥ 3, 日本語 🦀"),
        ("X-Quoted", "a=\"b\\\"c\"; {d: [1, 2]}, 'e' %41 =?x?"),
        ("X-Long", &long),
        (Envelope::TRACE_PARENT, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        (Envelope::CE_SOURCE, "https://orders.example/a?b=c&d#e"),
        (Envelope::CE_KEY, "key of größe 7"),
        ("x_1.2~odd", "x"),
    ] {
        sent.headers.set(name.to_owned(), value);
    }
    let seen = scene.carry(&scene.topic, sent.clone()).await??;
    same_headers(&sent.headers, &seen.headers)?;
    let mut sent = event(2);
    for number in 0..200 {
        sent.headers.set(format!("X-Header-{number}"), number.to_string());
    }
    let seen = scene.carry(&scene.topic, sent.clone()).await??;
    same_headers(&sent.headers, &seen.headers)
}

async fn odd_headers(scene: &Scene) -> Result<()> {
    for (name, value) in [
        ("X-Odd", " padded "),
        ("X-Odd", "two\nlines"),
        ("X-Odd", "two\r\nX-Other: lines\r\n\r\nbody"),
        ("X-Odd", "nul \0"),
        ("X-Odd", "\t"),
        ("with space", "x"),
        ("with:colon", "x"),
        ("größe", "x"),
        ("two\r\nlines", "x"),
    ] {
        let mut sent = event(1);
        sent.headers.set(name.to_owned(), value);
        let what = format!("a header {name:?} with the value {value:?}");
        match scene.carry(&scene.topic, sent.clone()).await? {
            Ok(seen) => {
                same_headers(&sent.headers, &seen.headers).map_err(|error| error.context(&what))?;
                expect(&what, sent.body, seen.body)?;
            }
            Err(error) => expect(&what, Code::InvalidArgument, error.code())?,
        }
    }
    Ok(())
}

async fn too_many_headers(scene: &Scene) -> Result<()> {
    let (mut many, mut large) = (event(1), event(2));
    for number in 0..300 {
        many.headers.set(format!("X-Header-{number}"), "x");
    }
    large.headers.set("X-Large", "x".repeat(70 * 1024));
    for (what, sent) in [("300 headers", many), ("a header of 70 KiB", large)] {
        match scene.carry(&scene.topic, sent).await? {
            Ok(_) => return Err(Error::internal(format!("an event with {what} was taken"))),
            Err(error) => expect(what, Code::InvalidArgument, error.code())?,
        }
    }
    expect("the next event", event(3).body, scene.carry(&scene.topic, event(3)).await??.body)
}

async fn topics(scene: &Scene) -> Result<()> {
    let base = &scene.topic;
    let longest = format!("{base}.{}", "x".repeat(199 - base.len()));
    for topic in [
        format!("{base}.v1.Orders"),
        format!("{base}-with-dashes_and_lines"),
        format!("{base}.UPPER.CASE"),
        format!("{base}.1.2.3"),
        longest,
    ] {
        let seen = scene.carry(&topic, event(&topic)).await?.map_err(|error| error.context(&topic))?;
        expect("the event of the topic", event(&topic).body, seen.body)?;
    }
    Ok(())
}

async fn odd_topics(scene: &Scene) -> Result<()> {
    let base = &scene.topic;
    for topic in [
        format!("{base} with spaces"),
        format!("{base}.*"),
        format!("{base}.>"),
        format!("{base}.#"),
        format!("{base}..two"),
        format!(".{base}"),
        format!("{base}."),
        format!("{base}/a?b=c&d#e%20"),
        format!("{base}.größe"),
        format!("{base}\"quoted\""),
    ] {
        match scene.carry(&topic, event(&topic)).await? {
            Ok(seen) => expect(&topic, event(&topic).body, seen.body)?,
            Err(error) => expect(&topic, Code::InvalidArgument, error.code())?,
        }
    }
    for topic in [String::new(), format!("{base}\r\nPUB x"), format!("{base}\0"), "x".repeat(1000)] {
        match scene.carry(&topic, event(1)).await? {
            Ok(_) => return Err(Error::internal(format!("the topic {topic:?} was taken"))),
            Err(error) => expect(&topic, Code::InvalidArgument, error.code())?,
        }
    }
    // What would be a wildcard is no wildcard.
    let broker = scene.broker().await?;
    for wild in ["*", ">", "#"] {
        let mut options = scene.options();
        options.topic = format!("{base}.{wild}");
        let Ok(subscription) = broker.subscribe(options).await else { continue };
        scene.noticed().await;
        let mut reader = super::reader::Reader::new(subscription, scene.promises);
        let published =
            timeout(Duration::from_secs(1), broker.publish(&format!("{base}.tame"), event(1))).await;
        if let Ok(published) = published {
            published?;
        }
        reader.quiet().await.map_err(|error| error.context(format_args!("a topic that ends in {wild}")))?;
    }
    Ok(())
}

fn same_headers(sent: &Headers, seen: &Headers) -> Result<()> {
    // A driver may add some.
    for (name, value) in sent.iter() {
        expect(&format!("the header {name}"), Some(value), seen.get(name))?;
    }
    Ok(())
}

impl Scene {
    /// Takes an event from one process to another. Where it is refused, because of its topic or its content, the inner
    /// result says why.
    async fn carry(&self, topic: &str, envelope: Envelope) -> Result<Result<Envelope>> {
        let (here, there) = (self.broker().await?, self.broker().await?);
        let mut options = self.options();
        topic.clone_into(&mut options.topic);
        let outcome = match there.subscribe(options).await {
            Err(error) => {
                // Who publishes there is told the same.
                let published = here.publish(topic, envelope).await;
                expect("the refusal of a topic", Err(error.code()), published.map_err(|error| error.code()))?;
                Err(error)
            }
            Ok(subscription) => {
                self.noticed().await;
                let mut reader = super::reader::Reader::new(subscription, self.promises);
                let (broker, to) = (here.clone(), topic.to_owned());
                let mut publishing = tokio::spawn(async move { broker.publish(&to, envelope).await });
                // It may end before the event is taken, or wait until it was.
                let (mut published, mut delivery) = (None, None);
                while !matches!((&published, &delivery), (Some(Err(_)), _) | (Some(_), Some(_))) {
                    tokio::select! {
                        end = &mut publishing, if published.is_none() => {
                            published = Some(end.map_err(|error| Error::internal(error.to_string()))?);
                        }
                        next = reader.next("the event"), if delivery.is_none() => {
                            let next = next?;
                            delivery = Some(next.envelope.clone());
                            next.ack().await?;
                        }
                    }
                }
                match (published, delivery) {
                    (Some(Err(error)), _) => {
                        // Nothing comes of what was refused.
                        reader.quiet().await?;
                        Err(error)
                    }
                    (_, Some(envelope)) => Ok(envelope),
                    (_, None) => return Err(Error::internal("nothing was published")),
                }
            }
        };
        here.close().await?;
        there.close().await?;
        Ok(outcome)
    }
}

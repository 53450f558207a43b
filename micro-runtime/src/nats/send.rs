//! Publishing: to a stream, which confirms each event, or to whoever listens at the moment.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::context::{PublishError, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::publish::PublishAck;
use bytes::Bytes;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

use super::api::Captured;
use super::link::{ANSWER, Link};
use crate::error::{Error, Result};

/// How long it is believed that a stream has a topic. Where that is not so, publishing finds out.
const STREAM: Duration = Duration::from_secs(30);

/// How long it is believed that none has: a subscriber may make one at any time. What is published in between is
/// in the stream as well, it is only not confirmed by it.
const NO_STREAM: Duration = Duration::from_secs(1);

/// How long it is believed that the server has no JetStream.
const NO_JETSTREAM: Duration = Duration::from_secs(10);

/// So many topics are remembered.
const TOPICS: usize = 4096;

/// How often a stream is tried that does not answer, and the pause between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// The longest that it is tried to have an event confirmed while connections come and go.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the header for an id may have in bytes.
const LONGEST_ID: usize = 512;

/// What a header of NATS takes beside its value: `NATS/1.0`, its name, and the ends of lines.
const HEADER: usize = 40;

/// What each further header takes beside its name and value.
const LINE: usize = 4;

/// How events of a topic are published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Stream,
    Plain,
}

/// What is known of topics.
#[derive(Debug, Default)]
pub(crate) struct Ways {
    known: Mutex<HashMap<String, (Way, Instant)>>,
    /// One looks, and the others wait for what it finds.
    looking: tokio::sync::Mutex<()>,
    /// Whether there was JetStream. Then it does not go away, even if it does not answer.
    jetstream: AtomicBool,
}

impl Ways {
    /// Takes note that a stream has this topic.
    pub(crate) fn is_stream(&self, topic: &str) {
        self.jetstream.store(true, Ordering::Relaxed);
        self.note(topic, Way::Stream, STREAM);
    }

    /// Publishes where somebody wants it, and returns when the server has it.
    pub(crate) async fn publish(
        &self,
        link: &Link,
        topic: &str,
        id: Option<&str>,
        payload: Bytes,
    ) -> Result<()> {
        for _ in 0..TRIES {
            if self.way(link, topic).await? == Way::Plain {
                return plain(link, topic, payload).await;
            }
            if store(link, topic, id, HeaderMap::new(), payload.clone()).await?.is_some() {
                return Ok(());
            }
            // The stream was deleted, or has no leader at the moment.
            self.forget(topic);
            sleep(PAUSE).await;
        }
        Err(Error::unavailable(format!(
            "the stream of the topic `{topic}` in NATS at {} does not answer",
            link.servers
        )))
    }

    pub(crate) fn forget(&self, topic: &str) {
        self.known().remove(topic);
    }

    async fn way(&self, link: &Link, topic: &str) -> Result<Way> {
        if let Some(way) = self.known_way(topic) {
            return Ok(way);
        }
        let _looking = self.looking.lock().await;
        if let Some(way) = self.known_way(topic) {
            return Ok(way);
        }
        let (way, time) = match link.stream_of(topic).await? {
            Captured::By(_) => {
                self.jetstream.store(true, Ordering::Relaxed);
                (Way::Stream, STREAM)
            }
            Captured::Nobody => {
                self.jetstream.store(true, Ordering::Relaxed);
                (Way::Plain, NO_STREAM)
            }
            Captured::Off if self.jetstream.load(Ordering::Relaxed) => {
                return Err(Error::unavailable(format!(
                    "JetStream of NATS at {} does not answer at the moment, and did before",
                    link.servers
                )));
            }
            Captured::Off => (Way::Plain, NO_JETSTREAM),
        };
        self.note(topic, way, time);
        Ok(way)
    }

    fn known_way(&self, topic: &str) -> Option<Way> {
        let known = self.known();
        known.get(topic).filter(|(_, until)| Instant::now() < *until).map(|(way, _)| *way)
    }

    fn note(&self, topic: &str, way: Way, time: Duration) {
        let mut known = self.known();
        if known.len() >= TOPICS && !known.contains_key(topic) {
            known.clear();
        }
        known.insert(topic.to_owned(), (way, Instant::now() + time));
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (Way, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes to those who listen now, and returns when the server has it.
async fn plain(link: &Link, topic: &str, payload: Bytes) -> Result<()> {
    fits(link, payload.len())?;
    link.ready().await?;
    let epoch = link.epoch();
    let sent = timeout(ANSWER, link.client.publish(topic.to_owned(), payload)).await;
    sent.map_err(|_| link.lost())?.map_err(|error| link.lost().with_source(error))?;
    link.echo.confirm(link, epoch).await
}

/// Publishes to the stream that has this subject, and returns what it says. `None` where there is none.
///
/// With the same id it is published once, within the time in which the stream remembers ids. So it is sent again where the
/// connection was lost before there was an answer.
pub(crate) async fn store(
    link: &Link,
    topic: &str,
    id: Option<&str>,
    headers: HeaderMap,
    payload: Bytes,
) -> Result<Option<PublishAck>> {
    let id = match id {
        // The same event may go to several topics of one stream.
        Some(id) if id.len() <= LONGEST_ID && !id.chars().any(char::is_control) => format!("{topic}/{id}"),
        _ => Uuid::new_v4().simple().to_string(),
    };
    let beside: usize = headers
        .iter()
        .map(|(name, values)| {
            let name: &str = name.as_ref();
            values.iter().map(|value| name.len() + value.as_str().len() + LINE).sum::<usize>()
        })
        .sum();
    fits(link, payload.len() + HEADER + id.len() + beside)?;
    link.ready().await?;
    let mut connection = link.connection.clone();
    let end = Instant::now() + PATIENCE;
    loop {
        let number = connection.borrow_and_update().number;
        let message =
            PublishMessage::build().headers(headers.clone()).payload(payload.clone()).message_id(&id);
        let sent = link.jetstream.send_publish(topic.to_owned(), message).await;
        let confirmed = async {
            match sent {
                Ok(confirmation) => confirmation.await,
                Err(error) => Err(error),
            }
        };
        let answer = tokio::select! {
            biased;
            answer = confirmed => answer,
            // The answer would have come on the connection that is gone.
            Ok(_) = connection.wait_for(|now| now.up && now.number > number), if Instant::now() < end => continue,
        };
        return match answer {
            Ok(confirmed) => Ok(Some(confirmed)),
            Err(error) if error.kind() == PublishErrorKind::StreamNotFound => Ok(None),
            Err(error) => Err(failed(link, topic, error)),
        };
    }
}

/// Whether the server takes messages of this size.
fn fits(link: &Link, size: usize) -> Result<()> {
    let most = link.client.max_payload();
    if size <= most {
        return Ok(());
    }
    Err(Error::invalid_argument(format!(
        "the event has {size} bytes as NATS carries it, and the server at {} takes {most}: keep what is large elsewhere and \
         publish where it is, or raise `max_payload` of the server",
        link.servers
    )))
}

#[cold]
fn failed(link: &Link, topic: &str, error: PublishError) -> Error {
    use std::error::Error as _;
    match error.source().and_then(|source| source.downcast_ref::<async_nats::jetstream::Error>()) {
        Some(refused) => link.refused(&format!("take an event of the topic `{topic}`"), refused),
        None => Error::unavailable(format!(
            "NATS at {} did not confirm within {ANSWER:?} that it has the event of the topic `{topic}`; it may have it: {error}",
            link.servers
        ))
        .with_source(error),
    }
}

//! The stream of a topic.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, RetentionPolicy, StorageType};
use bytes::Bytes;
use tokio::time::sleep;

use super::super::Retention;
use crate::error::{Error, Result};
use crate::nats::api::Answer;
use crate::nats::link::Link;
use crate::nats::name::escaped;
use crate::nats::send::store;

/// What the names of our streams begin with.
const PREFIX: &str = "EVENTS_";

/// What their subjects begin with.
const SUBJECT: &str = "micro.events.";

/// How long a stream remembers ids, which is as long as it keeps events at the most.
const DUPLICATES: Duration = Duration::from_secs(120);

/// The shortest age that a stream knows.
const YOUNGEST: Duration = Duration::from_millis(100);

/// So many topics are remembered.
const TOPICS: usize = 4096;

/// How often a stream is tried that does not answer, and the pause between.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// The streams that are there.
#[derive(Debug)]
pub(super) struct Streams {
    replicas: usize,
    known: Mutex<HashSet<String>>,
}

impl Streams {
    pub(super) fn new(replicas: usize) -> Self {
        Self { replicas, known: Mutex::default() }
    }

    /// Publishes, and returns the number of the event.
    pub(super) async fn publish(
        &self,
        link: &Link,
        topic: &str,
        id: Option<&str>,
        headers: HeaderMap,
        payload: Bytes,
    ) -> Result<u64> {
        let subject = subject(topic)?;
        for _ in 0..TRIES {
            if !self.known().contains(topic) {
                make_sure(link, topic, self.replicas).await?;
                let mut known = self.known();
                if known.len() >= TOPICS {
                    known.clear();
                }
                known.insert(topic.to_owned());
            }
            if let Some(confirmed) = store(link, &subject, id, headers.clone(), payload.clone()).await? {
                return Ok(confirmed.sequence);
            }
            // It was deleted, or has no leader at the moment.
            self.known().remove(topic);
            sleep(PAUSE).await;
        }
        Err(Error::unavailable(format!(
            "the stream of the topic `{topic}` in NATS at {} does not answer",
            link.servers
        )))
    }

    /// Sets how much is kept.
    pub(super) async fn retain(&self, link: &Link, topic: &str, retention: Retention) -> Result<()> {
        let mut config = make_sure(link, topic, self.replicas).await?.config;
        let most =
            |limit: Option<u64>| limit.map_or(-1, |most| i64::try_from(most.max(1)).unwrap_or(i64::MAX));
        config.max_age = retention.max_age.map_or(Duration::ZERO, |age| age.max(YOUNGEST));
        config.max_bytes = most(retention.max_bytes);
        config.max_messages = most(retention.max_events);
        config.duplicate_window = match config.max_age {
            Duration::ZERO => DUPLICATES,
            age => DUPLICATES.min(age),
        };
        let wanted = serde_json::to_value(&config)
            .map_err(|error| Error::internal("cannot write the settings of a stream").with_source(error))?;
        match link.ask::<Info>(&format!("STREAM.UPDATE.{}", config.name), &wanted).await? {
            Answer::Is(_) => Ok(()),
            Answer::Refused(error) => {
                Err(link.refused(&format!("change the stream `{}`", config.name), &error))
            }
            Answer::Nobody => Err(off(link)),
        }
    }

    fn known(&self) -> MutexGuard<'_, HashSet<String>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The name of the stream of a topic.
pub(super) fn name(topic: &str) -> Result<String> {
    escaped(PREFIX, topic)
}

/// Its subject.
pub(super) fn subject(topic: &str) -> Result<String> {
    escaped(SUBJECT, topic)
}

/// What the stream of a topic is like, which is made where it is not there.
pub(super) async fn make_sure(link: &Link, topic: &str, replicas: usize) -> Result<Info> {
    let name = name(topic)?;
    for _ in 0..2 {
        if let Some(info) = known(link, &name).await? {
            return Ok(info);
        }
        link.make_stream(&config(topic, replicas)?).await.map_err(|error| refine(link, error))?;
    }
    Err(Error::failed_precondition(format!(
        "NATS at {} has another stream than `{name}` for the subject `{}`",
        link.servers,
        subject(topic)?
    )))
}

/// What the stream of a topic is like, where it is there.
pub(super) async fn known(link: &Link, name: &str) -> Result<Option<Info>> {
    link.stream(name).await.map_err(|error| refine(link, error))
}

/// Nothing goes by itself.
fn config(topic: &str, replicas: usize) -> Result<Config> {
    Ok(Config {
        name: name(topic)?,
        subjects: vec![subject(topic)?],
        description: Some(format!("events of the topic {topic}")),
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        discard: DiscardPolicy::Old,
        max_bytes: -1,
        max_messages: -1,
        max_messages_per_subject: -1,
        max_consumers: -1,
        num_replicas: replicas,
        duplicate_window: DUPLICATES,
        ..Config::default()
    })
}

/// Without JetStream there is no log, and no lesser guarantee to ask for.
fn refine(link: &Link, error: Error) -> Error {
    if error.message() == link.off().message() { off(link) } else { error }
}

#[cold]
fn off(link: &Link) -> Error {
    Error::failed_precondition(format!(
        "the NATS server at {} has no JetStream, so it keeps no events: start nats-server with `-js` (or `jetstream {{}}` in its \
         file, and for the account), or take another log",
        link.servers
    ))
}

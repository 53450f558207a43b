//! Consuming: a consumer of the stream for the group, or for one alone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::jetstream::consumer::DeliverPolicy;
use async_trait::async_trait;
use futures_util::FutureExt as _;
use uuid::Uuid;

use super::super::{ConsumeOptions, Start};
use super::{groups, message, stream};
use crate::broker::{Delivery, Position, Subscription};
use crate::error::{Error, Result};
use crate::nats::consumer::{Consumer, durable, settings};
use crate::nats::link::Link;
use crate::nats::pull::{Before, Make, Puller};

/// How long the consumer without a group is kept while there is no sign of it.
const ABSENT: Duration = Duration::from_secs(15 * 60);

/// The shortest that the server waits for an acknowledgement.
const SHORTEST: Duration = Duration::from_millis(100);

/// Somebody who is given the events of a topic.
#[derive(Debug)]
pub(super) struct Consuming {
    puller: Puller,
    /// Events before this one are not wanted, although the server may begin with them.
    first: u64,
}

impl Consuming {
    pub(super) async fn begin(link: Arc<Link>, replicas: usize, options: ConsumeOptions) -> Result<Self> {
        let ack_wait = options.ack_wait.max(SHORTEST);
        let in_hand = options.in_hand;
        stream::make_sure(&link, &options.topic, replicas).await?;
        let own = format!("micro-{}", Uuid::new_v4().simple());
        let first = first(&link, &options).await?;
        let make: Make = {
            let weak = Arc::downgrade(&link);
            let shared = Arc::new((options, own));
            Box::new(move |before| {
                let (link, shared) = (weak.upgrade(), shared.clone());
                async move {
                    let link = link.ok_or_else(|| Error::unavailable("the connection to NATS was closed"))?;
                    consumer(&link, replicas, &shared.0, &shared.1, before).await
                }
                .boxed()
            })
        };
        Ok(Self { puller: Puller::begin(link, make, in_hand, ack_wait).await?, first })
    }
}

#[async_trait]
impl Subscription for Consuming {
    async fn next(&mut self) -> Option<Delivery> {
        loop {
            let pulled = self.puller.next().await?;
            if pulled.sequence < self.first {
                // Where this fails it comes again, and is not wanted then either.
                let _ = pulled.taken.ack().await;
                continue;
            }
            let envelope = message::read(pulled.headers.as_ref(), pulled.payload);
            let position = Position { offset: pulled.sequence, time: pulled.published };
            return Some(Delivery::new(envelope, pulled.taken).again(pulled.attempts_before).at(position));
        }
    }

    async fn end(&mut self) -> Result<()> {
        self.puller.end().await;
        Ok(())
    }
}

/// With which event it begins, where it is to begin with one. That of a group was said when it first appeared.
async fn first(link: &Link, options: &ConsumeOptions) -> Result<u64> {
    if let Some(group) = &options.group
        && let Some(known) =
            link.known_consumer(&stream::name(&options.topic)?, &groups::name(group)?).await?
    {
        return Ok(match known.config.deliver_policy {
            DeliverPolicy::ByStartSequence { start_sequence } => start_sequence,
            _ => 0,
        });
    }
    Ok(match options.start {
        Start::Offset(offset) => offset,
        _ => 0,
    })
}

/// Makes sure of the consumer. That of a group which was deleted is not made again by its members.
async fn consumer(
    link: &Link,
    replicas: usize,
    options: &ConsumeOptions,
    own: &str,
    before: Before,
) -> Result<Option<Consumer>> {
    let ConsumeOptions { topic, group, ordered, .. } = options;
    let (name, subject) = (stream::name(topic)?, stream::subject(topic)?);
    let mut anew = false;
    let mut config = match group {
        Some(group) => {
            let consumer = groups::name(group)?;
            if before != Before::Nothing && link.known_consumer(&name, &consumer).await?.is_none() {
                return Ok(None);
            }
            let mut config = durable(settings(&consumer, &subject, *ordered));
            config.description = Some(group.clone());
            config
        }
        None => {
            let last = stream::make_sure(link, topic, replicas).await?.state.last_sequence;
            anew = matches!(before, Before::Last(Some(seen)) if seen > last);
            let mut config = settings(own, &subject, *ordered);
            config.inactive_threshold = ABSENT;
            config
        }
    };
    config.ack_wait = options.ack_wait.max(SHORTEST);
    config.deliver_policy = match before {
        _ if anew => DeliverPolicy::All,
        Before::Last(Some(last)) => policy(Start::Offset(last.saturating_add(1))),
        _ => policy(options.start),
    };
    Ok(Some(Consumer { anew, ..link.consumer(&name, config).await? }))
}

/// Where to begin, as JetStream says it.
pub(super) fn policy(start: Start) -> DeliverPolicy {
    match start {
        // Numbers begin with 1.
        Start::Oldest | Start::Offset(0) => DeliverPolicy::All,
        Start::Offset(offset) => DeliverPolicy::ByStartSequence { start_sequence: offset },
        Start::Time(time) => DeliverPolicy::ByStartTime { start_time: moment(time).into() },
        Start::New => DeliverPolicy::New,
    }
}

/// A time that can be written: the years of RFC 3339 have four digits.
fn moment(time: SystemTime) -> SystemTime {
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().min(LAST);
    SystemTime::UNIX_EPOCH + since
}

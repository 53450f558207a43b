//! Looking at events, with a consumer that is gone afterwards.

use std::time::{Duration, SystemTime};

use async_nats::jetstream;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::jetstream::consumer::{self, AckPolicy, pull};
use futures_util::StreamExt as _;
use tokio::time::timeout;
use uuid::Uuid;

use super::super::{Start, Stored};
use super::{consume, message, stream};
use crate::error::{Error, Result};
use crate::nats::link::Link;

/// As many bytes has an answer, about.
const LARGEST: usize = 8 << 20;

/// So many events are asked for at once.
const BATCH: usize = 256;

/// How long the server looks for the next event, which it should have, and how long it may take to say so.
const LOOKED_FOR: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(10);

/// The events from there on, at the most `limit`.
pub(super) async fn read(link: &Link, topic: &str, start: Start, limit: usize) -> Result<Vec<Stored>> {
    let name = stream::name(topic)?;
    let Some(info) = stream::known(link, &name).await? else { return Ok(Vec::new()) };
    let beyond = matches!(start, Start::Offset(offset) if offset > info.state.last_sequence);
    if limit == 0 || start == Start::New || beyond {
        return Ok(Vec::new());
    }
    let config = pull::Config {
        name: Some(format!("micro-{}", Uuid::new_v4().simple())),
        ack_policy: AckPolicy::None,
        deliver_policy: consume::policy(start),
        filter_subject: stream::subject(topic)?,
        inactive_threshold: Duration::from_secs(30),
        memory_storage: true,
        ..pull::Config::default()
    };
    let consumer = link.reader(&name, config).await?;
    let count = usize::try_from(consumer.num_pending).unwrap_or(usize::MAX).min(limit);
    let events = collect(link, &consumer, count).await;
    let _ = link.delete_consumer(&name, &consumer.name).await;
    events
}

async fn collect(link: &Link, consumer: &consumer::Info, count: usize) -> Result<Vec<Stored>> {
    let inbox = async_nats::Subject::from(link.client.new_inbox());
    let subscribed = link.client.subscribe(inbox.clone()).await;
    let mut arriving = subscribed.map_err(|error| link.lost().with_source(error))?;
    let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{}.{}", consumer.stream_name, consumer.name);
    let (mut events, mut bytes, mut asked) = (Vec::new(), 0, 0);
    while events.len() < count && bytes < LARGEST {
        if asked == events.len() {
            let batch = BATCH.min(count - asked);
            let request = BatchConfig { batch, expires: Some(LOOKED_FOR), ..BatchConfig::default() };
            let request = serde_json::to_vec(&request)
                .map_err(|error| Error::internal("cannot write a request").with_source(error))?;
            let sent = link.client.publish_with_reply(subject.clone(), inbox.clone(), request.into()).await;
            sent.map_err(|error| link.lost().with_source(error))?;
            asked += batch;
        }
        let arrived = timeout(PATIENCE, arriving.next()).await;
        let message = arrived.map_err(|_| link.lost())?.ok_or_else(|| link.lost())?;
        if message.status.is_some() {
            // Some went in the meantime, because of the retention.
            break;
        }
        let message = jetstream::Message { message, context: link.jetstream.clone() };
        let (offset, time) = message.info().map_or((0, SystemTime::UNIX_EPOCH), |info| {
            let nanos = u64::try_from(info.published.unix_timestamp_nanos()).unwrap_or_default();
            (info.stream_sequence, SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos))
        });
        bytes += message.payload.len();
        let envelope = message::read(message.headers.as_ref(), message.payload.clone());
        events.push(Stored { offset, time, envelope });
    }
    Ok(events)
}

//! Groups, which are durable consumers.

use async_nats::jetstream::consumer;
use serde::Deserialize;
use serde_json::json;

use super::super::GroupStatus;
use super::stream;
use crate::error::Result;
use crate::nats::api::Answer;
use crate::nats::link::Link;
use crate::nats::name::escaped;

/// The most pages of groups that are looked at; a page has 256.
const PAGES: usize = 64;

/// The name of the consumer of a group.
pub(super) fn name(group: &str) -> Result<String> {
    escaped("", group)
}

/// The groups of a topic, by name.
pub(super) async fn groups(link: &Link, topic: &str) -> Result<Vec<GroupStatus>> {
    #[derive(Deserialize)]
    struct Page {
        total: usize,
        consumers: Option<Vec<consumer::Info>>,
    }
    let stream = stream::name(topic)?;
    let Some(info) = stream::known(link, &stream).await? else { return Ok(Vec::new()) };
    let mut groups = Vec::new();
    let mut offset = 0;
    for _ in 0..PAGES {
        let page = match link.ask(&format!("CONSUMER.LIST.{stream}"), &json!({"offset": offset})).await? {
            Answer::Is(Page { total, consumers }) => (total, consumers.unwrap_or_default()),
            Answer::Refused(error) => return Err(link.refused("list the groups", &error)),
            Answer::Nobody => return Err(link.off()),
        };
        let (total, consumers) = page;
        offset += consumers.len();
        let is_last = consumers.is_empty() || offset >= total;
        groups.extend(consumers.iter().filter(|group| group.config.durable_name.is_some()).map(|group| {
            let name = group.config.description.as_deref().unwrap_or(&group.name);
            let in_hand = u64::try_from(group.num_ack_pending).unwrap_or(u64::MAX);
            let state = &info.state;
            // `num_pending` of the server is not always right (seen with 2.9), and a stream of ours has no gaps.
            let gone = state.first_sequence.saturating_sub(1);
            let delivered = group.delivered.stream_sequence.max(gone);
            let to_come = state.last_sequence.saturating_sub(delivered);
            let position = if in_hand > 0 { group.ack_floor.stream_sequence } else { delivered };
            let position = position.max(gone).saturating_add(1);
            let mut status = GroupStatus::new(name, position, to_come.saturating_add(in_hand));
            status.in_hand = in_hand;
            status
        }));
        if is_last {
            break;
        }
    }
    groups.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(groups)
}

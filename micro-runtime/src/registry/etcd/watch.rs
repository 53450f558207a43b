use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use tonic::Streaming;

use super::connection::{Connection, Use, is_lost, refused};
use super::proto::{KeyValue, WatchResponse};
use super::record;
use crate::error::{Error, Result};
use crate::registry::{Change, Registration, Watch};

/// Reads what is there, and follows etcd from the revision after it.
pub(super) async fn begin(connection: Arc<Connection>, service: &str) -> Result<Watch> {
    let what = format!("look for `{service}`");
    let prefix = record::prefix(service);
    let prefix = &prefix;
    let (used, answer, events) = connection
        .call(&what, |used| async move {
            let answer = used.api.list(prefix).await?;
            let revision = answer.header.as_ref().map_or(0, |header| header.revision);
            let events = used.api.watch(prefix, revision + 1).await?;
            Ok((used, answer, events))
        })
        .await?;
    let mut nodes = Nodes::new(service);
    for pair in &answer.kvs {
        nodes.put(pair);
    }
    let queue = VecDeque::from([Change::Snapshot(nodes.all())]);
    let following = Following { connection, what, used, events, nodes, queue, over: false };
    Ok(stream::unfold(following, Following::next).boxed())
}

struct Following {
    connection: Arc<Connection>,
    what: String,
    used: Use,
    events: Streaming<WatchResponse>,
    nodes: Nodes,
    queue: VecDeque<Change>,
    over: bool,
}

impl Following {
    async fn next(mut self) -> Option<(Result<Change>, Self)> {
        loop {
            if let Some(change) = self.queue.pop_front() {
                return Some((Ok(change), self));
            }
            if self.over {
                return None;
            }
            if let Err(error) = self.hear().await {
                self.over = true;
                return Some((Err(error), self));
            }
        }
    }

    /// Takes the next answer of etcd in.
    async fn hear(&mut self) -> Result<()> {
        let answer = match self.events.message().await {
            Ok(Some(answer)) => answer,
            Ok(None) => return Err(self.ended("etcd ended the watch")),
            Err(error) if is_lost(&error) => {
                self.connection.lost(&self.used);
                return Err(self.ended("the connection was lost").with_source(error));
            }
            Err(error) => return Err(refused(&self.what, error)),
        };
        if answer.canceled {
            // Revisions that were compacted away are one reason; then the next watch begins with what is there.
            let reason = match answer.cancel_reason.as_str() {
                "" if answer.compact_revision > 0 => "etcd compacted what was to come",
                "" => "etcd ended the watch",
                reason => reason,
            };
            let error = self.ended(reason);
            // Another member may have a leader.
            self.connection.lost(&self.used);
            return Err(error);
        }
        for event in answer.events {
            let Some(pair) = event.kv else { continue };
            let changed = match event.kind {
                0 => self.nodes.put(&pair),
                _ => self.nodes.remove(&pair.key),
            };
            self.queue.extend(changed.into_iter().map(|id| self.nodes.change(id)));
        }
        Ok(())
    }

    #[cold]
    fn ended(&self, reason: &str) -> Error {
        Error::unavailable(format!("cannot {} any longer: {reason}", self.what))
    }
}

/// The nodes of a service by their keys.
struct Nodes {
    service: String,
    keys: BTreeMap<Vec<u8>, Vec<Arc<Registration>>>,
}

impl Nodes {
    fn new(service: &str) -> Self {
        Self { service: service.to_owned(), keys: BTreeMap::new() }
    }

    /// Takes a pair in, and says which nodes it concerns.
    fn put(&mut self, pair: &KeyValue) -> BTreeSet<String> {
        self.take(&pair.key, &pair.value)
    }

    fn take(&mut self, key: &[u8], value: &[u8]) -> BTreeSet<String> {
        let nodes = match record::decode(value) {
            // A slash and a dash in a name make the same key.
            Ok(nodes) => {
                nodes.into_iter().filter(|node| node.service == self.service).map(Arc::new).collect()
            }
            Err(error) => {
                let key = String::from_utf8_lossy(key);
                tracing::warn!(%key, %error, "left out a record in etcd that cannot be read");
                Vec::new()
            }
        };
        let mut ids = ids(&nodes);
        let before = self.keys.insert(key.to_owned(), nodes).unwrap_or_default();
        ids.extend(self::ids(&before));
        ids
    }

    fn remove(&mut self, key: &[u8]) -> BTreeSet<String> {
        ids(&self.keys.remove(key).unwrap_or_default())
    }

    /// What became of a node.
    fn change(&self, id: String) -> Change {
        // A node is at one key, or at another one that somebody made by hand.
        let found = self.keys.values().flatten().find(|node| node.node.id == id);
        found.map_or(Change::Remove(id), |node| Change::Put(node.clone()))
    }

    fn all(&self) -> Vec<Arc<Registration>> {
        let nodes = self.keys.values().flatten();
        let by_id: BTreeMap<_, _> = nodes.rev().map(|node| (&node.node.id, node)).collect();
        by_id.into_values().cloned().collect()
    }
}

fn ids(nodes: &[Arc<Registration>]) -> BTreeSet<String> {
    nodes.iter().map(|node| node.node.id.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(id: &str, address: &str) -> Vec<u8> {
        format!(r#"{{"name":"a","version":"1","nodes":[{{"id":"{id}","address":"{address}"}}]}}"#)
            .into_bytes()
    }

    fn changes(nodes: &Nodes, ids: BTreeSet<String>) -> Vec<String> {
        let of = |change| match change {
            Change::Put(node) => format!("{} at {}", node.node.id, node.node.address),
            Change::Remove(id) => format!("{id} is gone"),
            Change::Snapshot(_) => "all".to_owned(),
        };
        ids.into_iter().map(|id| of(nodes.change(id))).collect()
    }

    #[test]
    fn a_node_comes_moves_and_goes_with_its_key() {
        let mut nodes = Nodes::new("a");
        let ids = nodes.take(b"1", &value("a-1", "b:1"));
        assert_eq!(changes(&nodes, ids), ["a-1 at b:1"]);
        let ids = nodes.take(b"1", &value("a-2", "b:2"));
        assert_eq!(changes(&nodes, ids), ["a-1 is gone", "a-2 at b:2"]);
        let ids = nodes.remove(b"1");
        assert_eq!(changes(&nodes, ids), ["a-2 is gone"]);
        assert!(nodes.remove(b"1").is_empty());
    }

    #[test]
    fn a_record_that_cannot_be_read_takes_its_node_away_and_no_other() {
        let mut nodes = Nodes::new("a");
        nodes.take(b"1", &value("a-1", "b:1"));
        nodes.take(b"2", &value("a-2", "b:2"));
        let ids = nodes.take(b"1", b"{");
        assert_eq!(changes(&nodes, ids), ["a-1 is gone"]);
        assert_eq!(nodes.all().len(), 1);
    }

    #[test]
    fn records_of_a_service_with_a_slash_are_not_those_of_one_with_a_dash() {
        let mut nodes = Nodes::new("b");
        assert!(nodes.take(b"1", &value("a-1", "b:1")).is_empty());
        assert!(nodes.all().is_empty());
    }

    #[test]
    fn a_node_at_two_keys_is_one_node() {
        let mut nodes = Nodes::new("a");
        nodes.take(b"1", &value("a-1", "b:1"));
        nodes.take(b"2", &value("a-1", "b:2"));
        assert_eq!(nodes.all().len(), 1);
        let ids = nodes.remove(b"1");
        assert_eq!(changes(&nodes, ids), ["a-1 at b:2"]);
    }
}

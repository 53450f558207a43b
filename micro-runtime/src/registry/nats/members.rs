//! Which nodes there are, as far as this process knows: its own, and those it heard of.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::message::Action;
use crate::registry::roll_call::RollCall;
use crate::registry::table::Table;
use crate::registry::{Registration, ServiceRecord, Watch};

/// How long a service is followed that nobody watches any more: long enough for a watch that is begun again.
const IDLE: Duration = Duration::from_secs(60);

/// All of them. It survives the connection: what was known before it was lost is known until it proves wrong.
#[derive(Debug, Default)]
pub(super) struct Members {
    state: Mutex<State>,
    /// Rings when the time of the next own node to expire may have changed.
    pub(super) own_changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// By service and id.
    own: BTreeMap<(String, String), Own>,
    /// Nodes that were own ones and were taken back, of which nobody was told yet. Each was announced once, so there are
    /// no more than that.
    leaving: BTreeMap<(String, String), Arc<Registration>>,
    followed: HashMap<String, Followed>,
}

#[derive(Debug)]
struct Own {
    registration: Arc<Registration>,
    expires: Option<Instant>,
}

/// A service that somebody watches, or watched a moment ago.
#[derive(Debug)]
struct Followed {
    table: Table,
    roll: RollCall,
    watchers: usize,
    last_use: Instant,
    /// Rings when somebody found that a node does not answer.
    suspicion: Arc<Notify>,
}

impl Members {
    /// An own node is there until then.
    pub(super) fn announce(&self, registration: &Registration, ttl: Duration) {
        // A time too far away to be counted is as good as none.
        let expires = (!ttl.is_zero()).then(|| Instant::now().checked_add(ttl)).flatten();
        let own = Own { registration: Arc::new(registration.clone()), expires };
        let mut state = self.lock();
        // Who had the id before is no longer the node, also when this one is taken back.
        if let Some(followed) = state.followed.get_mut(&registration.service)
            && let Some(before) = followed.roll.node(&registration.node.id).cloned()
        {
            followed.roll.left(&before.node.id, &before.node.address);
        }
        state.leaving.remove(&key(registration));
        state.own.insert(key(registration), own);
        state.publish(&registration.service, &registration.node.id);
        drop(state);
        self.own_changed.notify_one();
    }

    /// Takes an own node back, where it is at this address. It is what comes out again until others are [told](Self::told).
    pub(super) fn withdraw(&self, registration: &Registration) -> Option<Arc<Registration>> {
        let key = key(registration);
        let is_it = |own: &Arc<Registration>| own.node.address == registration.node.address;
        let mut state = self.lock();
        if state.own.get(&key).is_some_and(|own| is_it(&own.registration)) {
            let own = state.retire(&key)?;
            state.leaving.insert(key, own.clone());
            return Some(own);
        }
        state.leaving.get(&key).filter(|own| is_it(own)).cloned()
    }

    /// The nodes that were taken back and of which nobody was told yet.
    pub(super) fn leaving(&self) -> Vec<Arc<Registration>> {
        self.lock().leaving.values().cloned().collect()
    }

    /// Others know that this one was taken back.
    pub(super) fn told(&self, left: &Arc<Registration>) {
        let mut state = self.lock();
        if state.leaving.get(&key(left)).is_some_and(|leaving| Arc::ptr_eq(leaving, left)) {
            state.leaving.remove(&key(left));
        }
    }

    /// Takes the own nodes back whose time is over.
    pub(super) fn expire(&self) -> Vec<Arc<Registration>> {
        let now = Instant::now();
        let mut state = self.lock();
        let over = state.own.iter().filter(|(_, own)| own.expires.is_some_and(|expires| expires <= now));
        let over: Vec<_> = over.map(|(key, _)| key.clone()).collect();
        over.iter().filter_map(|key| state.retire(key)).collect()
    }

    /// When the next own node expires.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.lock().own.values().filter_map(|own| own.expires).min()
    }

    /// The own nodes.
    pub(super) fn own(&self) -> Vec<Arc<Registration>> {
        self.lock().own.values().map(|own| own.registration.clone()).collect()
    }

    /// The records of the own nodes: of one service, or of all.
    pub(super) fn records(&self, service: Option<&str>) -> Vec<ServiceRecord> {
        let state = self.lock();
        let own = state.own.values().map(|own| &*own.registration);
        ServiceRecord::group(own.filter(|own| service.is_none_or(|service| own.service == service)))
    }

    /// Takes in what another process said of its nodes.
    pub(super) fn heard(&self, action: Action, record: ServiceRecord) {
        let mut state = self.lock();
        for node in Registration::from_record(record) {
            let (service, id) = key(&node);
            match action {
                Action::Create | Action::Update => {
                    // The later one with an id is the node; who was it before is no longer.
                    let elsewhere = |own: &Own| own.registration.node.address != node.node.address;
                    if state.own.get(&(service.clone(), id.clone())).is_some_and(elsewhere) {
                        tracing::info!(
                            service,
                            id,
                            address = node.node.address,
                            "a node of ours was replaced"
                        );
                        state.retire(&(service.clone(), id.clone()));
                    }
                    // Whoever is told that it goes, and does not look at the address, would lose its successor.
                    state.leaving.remove(&(service.clone(), id.clone()));
                    let Some(followed) = state.followed.get_mut(&service) else { continue };
                    followed.roll.spoke_up(node);
                }
                Action::Delete => {
                    let Some(followed) = state.followed.get_mut(&service) else { continue };
                    followed.roll.left(&id, &node.node.address);
                }
                Action::Get | Action::List | Action::Unknown => return,
            }
            state.publish(&service, &id);
        }
    }

    /// Begins to follow a service, for one watch more, until `Watcher` is dropped. Says as well whether nobody follows it yet.
    pub(super) fn watch(self: &Arc<Self>, service: &str) -> (Watch, Watcher, bool) {
        let mut state = self.lock();
        let fresh = !state.followed.contains_key(service);
        let followed = state.followed.entry(service.to_owned()).or_insert_with(|| Followed {
            table: Table::new(false),
            roll: RollCall::default(),
            watchers: 0,
            last_use: Instant::now(),
            suspicion: Arc::default(),
        });
        followed.watchers += 1;
        let watch = followed.table.watch(service);
        if fresh {
            let own = state.own.keys().filter(|(of, _)| of == service).cloned().collect::<Vec<_>>();
            own.iter().for_each(|(service, id)| state.publish(service, id));
        }
        (watch, Watcher { members: self.clone(), service: service.to_owned() }, fresh)
    }

    /// The services that are followed.
    pub(super) fn followed(&self) -> Vec<String> {
        self.lock().followed.keys().cloned().collect()
    }

    /// What rings when a node of the service is suspected to be gone.
    pub(super) fn suspicion(&self, service: &str) -> Option<Arc<Notify>> {
        self.lock().followed.get(service).map(|followed| followed.suspicion.clone())
    }

    /// Begins to ask for the nodes of a service. `None` where nobody wants to know any more.
    pub(super) fn begin(&self, service: &str) -> Option<u64> {
        let mut state = self.lock();
        let followed = state.followed.get_mut(service)?;
        if followed.watchers == 0 && followed.last_use.elapsed() >= IDLE {
            state.followed.remove(service);
            return None;
        }
        Some(followed.roll.begin())
    }

    /// Takes in an answer.
    pub(super) fn answered(&self, service: &str, record: ServiceRecord) {
        if record.name != service {
            return;
        }
        let mut state = self.lock();
        for node in Registration::from_record(record) {
            let id = node.node.id.clone();
            let Some(followed) = state.followed.get_mut(service) else { return };
            followed.roll.answered(node);
            state.publish(service, &id);
        }
    }

    /// The time for answers is over. Whether a node that was silent is one step nearer to being gone is up to the caller, who knows
    /// whether it could have been heard.
    pub(super) fn end(&self, service: &str, call: u64, counts: bool) {
        let mut state = self.lock();
        let Some(followed) = state.followed.get_mut(service) else { return };
        let gone = if counts { followed.roll.end(call) } else { Vec::new() };
        for id in gone {
            tracing::debug!(service, id, "a node no longer answers");
            state.publish(service, &id);
        }
        if let Some(followed) = state.followed.get(service) {
            followed.table.set_complete();
        }
    }

    /// Ends all watches. Those that begin after it get what was known, and the whole answer when there is one again.
    pub(super) fn end_watches(&self) {
        let mut state = self.lock();
        for followed in state.followed.values_mut() {
            followed.table = Table::new(false);
        }
        let services: Vec<_> = state.followed.keys().cloned().collect();
        for service in services {
            let known = state.followed.get(&service).into_iter().flat_map(|followed| followed.roll.nodes());
            let mut ids: Vec<_> = known.map(|node| node.node.id.clone()).collect();
            ids.extend(state.own.keys().filter(|(of, _)| *of == service).map(|(_, id)| id.clone()));
            ids.iter().for_each(|id| state.publish(&service, id));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes an own node back. What was heard of it came from ourselves, or from before it was ours.
    fn retire(&mut self, key: &(String, String)) -> Option<Arc<Registration>> {
        let own = self.own.remove(key)?;
        self.publish(&key.0, &key.1);
        Some(own.registration)
    }

    /// Brings the table up to date for one node. An own one is known best.
    fn publish(&self, service: &str, id: &str) {
        let Some(followed) = self.followed.get(service) else { return };
        let own = self.own.get(&(service.to_owned(), id.to_owned())).map(|own| &own.registration);
        match own.or_else(|| followed.roll.node(id)) {
            Some(node) => followed.table.put(node.clone(), None),
            None => {
                followed.table.remove(service, id, |_| true);
            }
        }
    }
}

/// Somebody who watches a service.
#[derive(Debug)]
pub(super) struct Watcher {
    members: Arc<Members>,
    service: String,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        if let Some(followed) = self.members.lock().followed.get_mut(&self.service) {
            followed.watchers = followed.watchers.saturating_sub(1);
            followed.last_use = Instant::now();
        }
    }
}

fn key(registration: &Registration) -> (String, String) {
    (registration.service.clone(), registration.node.id.clone())
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, StreamExt};

    use super::*;
    use crate::registry::{Change, Node};

    const FOREVER: Duration = Duration::ZERO;

    fn node(id: &str, address: &str) -> Registration {
        Registration::new("a", Node::new(id, address))
    }

    fn now(watch: &mut Watch) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(Some(Ok(change))) = watch.next().now_or_never() {
            seen.push(match change {
                Change::Put(node) => format!("+{}@{}", node.node.id, node.node.address),
                Change::Remove(id) => format!("-{id}"),
                Change::Snapshot(all) => format!("={}", all.len()),
            });
        }
        seen
    }

    #[tokio::test(start_paused = true)]
    async fn a_watch_has_own_nodes_at_once_others_when_they_are_heard_and_then_the_whole_answer() {
        let members = Arc::new(Members::default());
        members.announce(&node("1", "x:1"), FOREVER);
        let (mut watch, _watcher, _) = members.watch("a");
        assert_eq!(now(&mut watch), ["+1@x:1"]);
        let call = members.begin("a").unwrap();
        members.answered("a", node("2", "x:2").to_record());
        members.answered("other", node("3", "x:3").to_record());
        members.end("a", call, true);
        assert_eq!(now(&mut watch), ["=2"]);
        members.heard(Action::Delete, node("2", "x:9").to_record());
        members.heard(Action::Delete, node("1", "x:1").to_record());
        assert!(now(&mut watch).is_empty(), "neither is its to take back");
        members.heard(Action::Delete, node("2", "x:2").to_record());
        assert_eq!(now(&mut watch), ["-2"]);
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_by_the_id_of_an_own_node_replaces_it() {
        let members = Arc::new(Members::default());
        let (mut watch, _watcher, _) = members.watch("a");
        members.announce(&node("1", "x:1"), FOREVER);
        members.heard(Action::Create, node("1", "x:1").to_record());
        assert_eq!(members.own().len(), 1);
        members.heard(Action::Create, node("1", "x:2").to_record());
        assert!(members.own().is_empty() && members.withdraw(&node("1", "x:1")).is_none());
        assert_eq!(now(&mut watch), ["+1@x:2"]);
        members.announce(&node("1", "x:1"), FOREVER);
        assert_eq!(now(&mut watch), ["+1@x:1"]);
        assert!(members.withdraw(&node("1", "x:1")).is_some());
        assert_eq!(now(&mut watch), ["-1"], "and not its predecessor again");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_was_taken_back_is_leaving_until_others_know_or_it_is_there_again() {
        let members = Arc::new(Members::default());
        let leave = || {
            members.announce(&node("1", "x:1"), FOREVER);
            members.withdraw(&node("1", "x:1")).unwrap()
        };
        let left = leave();
        assert!(members.own().is_empty() && members.withdraw(&node("1", "x:2")).is_none());
        assert_eq!(members.withdraw(&node("1", "x:1")), Some(left.clone()), "a second try says it again");
        assert_eq!(members.leaving(), std::slice::from_ref(&left));
        members.told(&left);
        assert!(members.leaving().is_empty() && members.withdraw(&node("1", "x:1")).is_none());

        leave();
        members.announce(&node("1", "x:1"), FOREVER);
        assert!(members.leaving().is_empty(), "it is there again");
        let left = leave();
        let again = leave();
        members.told(&left);
        assert_eq!(members.leaving(), [again], "what was said is about the one before");
        members.heard(Action::Create, node("1", "x:2").to_record());
        assert!(members.leaving().is_empty(), "another one has the id");
    }

    #[tokio::test(start_paused = true)]
    async fn an_own_node_that_is_not_renewed_expires() {
        let members = Members::default();
        members.announce(&node("1", "x:1"), Duration::from_secs(3));
        members.announce(&node("2", "x:2"), FOREVER);
        assert_eq!(members.next_expiry(), Some(Instant::now() + Duration::from_secs(3)));
        assert!(members.expire().is_empty());
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(members.expire().len(), 1);
        assert_eq!((members.next_expiry(), members.own().len()), (None, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_known_outlives_the_connection_and_is_no_answer_before_there_is_one() {
        let members = Arc::new(Members::default());
        let (mut watch, watcher, _) = members.watch("a");
        let call = members.begin("a").unwrap();
        members.answered("a", node("2", "x:2").to_record());
        members.end("a", call, true);
        assert_eq!(now(&mut watch), ["=1"]);
        members.end_watches();
        assert!(watch.next().await.is_none());
        drop(watcher);

        let (mut again, _watcher, fresh) = members.watch("a");
        assert!(!fresh);
        assert_eq!(now(&mut again), ["+2@x:2"]);
        let call = members.begin("a").unwrap();
        members.end("a", call, false);
        assert_eq!(now(&mut again), ["=1"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_service_that_nobody_watches_is_given_up_after_a_while() {
        let members = Arc::new(Members::default());
        let (watch, watcher, fresh) = members.watch("a");
        assert!(fresh);
        tokio::time::advance(IDLE * 2).await;
        assert!(members.begin("a").is_some());
        drop((watch, watcher));
        assert!(members.begin("a").is_some());
        tokio::time::advance(IDLE).await;
        assert!(members.begin("a").is_none() && members.begin("a").is_none());
    }
}

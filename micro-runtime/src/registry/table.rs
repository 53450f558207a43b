use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::{Change, Registration, ServiceRecord, Watch};

/// Nodes in memory, with watchers: what a driver keeps that learns nodes one by one.
///
/// A watcher compares the newest state with what it told before. So it needs no queue that could
/// overflow, and a slow one sees the newest state and not the way there.
#[derive(Debug)]
pub(super) struct Table(watch::Sender<State>);

#[derive(Debug, Default)]
struct State {
    services: HashMap<String, Arc<Nodes>>,
    /// Whether this is the whole answer, which watchers then get as a snapshot.
    complete: bool,
    /// Whether no news will come.
    ended: bool,
}

type Nodes = BTreeMap<String, Entry>;

#[derive(Clone, Debug)]
struct Entry {
    registration: Arc<Registration>,
    expires: Option<Instant>,
}

impl Entry {
    fn is_live(&self, now: Instant) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }
}

impl Table {
    /// An empty table, which is the whole answer or not yet.
    pub(super) fn new(complete: bool) -> Self {
        Self(watch::Sender::new(State { complete, ..State::default() }))
    }

    /// Puts a node, or replaces the one with its id.
    pub(super) fn put(&self, registration: Arc<Registration>, expires: Option<Instant>) {
        self.0.send_modify(|state| {
            let nodes = state.services.entry(registration.service.clone()).or_default();
            Arc::make_mut(nodes).insert(registration.node.id.clone(), Entry { registration, expires });
        });
    }

    /// Removes a node where `really` holds for it, and says whether it did.
    pub(super) fn remove(&self, service: &str, id: &str, really: impl Fn(&Registration) -> bool) -> bool {
        self.0.send_if_modified(|state| {
            let Some(nodes) = state.services.get_mut(service) else { return false };
            if !nodes.get(id).is_some_and(|entry| really(&entry.registration)) {
                return false;
            }
            Arc::make_mut(nodes).remove(id);
            if nodes.is_empty() {
                state.services.remove(service);
            }
            true
        })
    }

    /// Forgets nodes whose time is over, so that what nobody watches does not pile up. Watchers
    /// see the end of a node by themselves.
    pub(super) fn forget_expired(&self) {
        let now = Instant::now();
        self.0.send_if_modified(|state| {
            state.services.retain(|_, nodes| {
                if nodes.values().any(|entry| !entry.is_live(now)) {
                    Arc::make_mut(nodes).retain(|_, entry| entry.is_live(now));
                }
                !nodes.is_empty()
            });
            false
        });
    }

    /// Says that the table is the whole answer by now.
    #[cfg(any(feature = "mdns", feature = "nats"))]
    pub(super) fn set_complete(&self) {
        self.0.send_if_modified(|state| !std::mem::replace(&mut state.complete, true));
    }

    /// Ends all watches: nothing will come any more.
    #[cfg(feature = "mdns")]
    pub(super) fn end(&self) {
        self.0.send_modify(|state| state.ended = true);
    }

    /// Waits until the table is the whole answer, or ended.
    #[cfg(feature = "mdns")]
    pub(super) async fn complete(&self) {
        // It can only fail when the table is gone, and `self` holds it.
        let _ = self.0.subscribe().wait_for(|state| state.complete || state.ended).await;
    }

    /// All nodes, grouped.
    pub(super) fn services(&self) -> Vec<ServiceRecord> {
        let now = Instant::now();
        let state = self.0.borrow();
        let live = state.services.values().flat_map(|nodes| nodes.values()).filter(|e| e.is_live(now));
        ServiceRecord::group(live.map(|entry| &*entry.registration))
    }

    /// Follows one service. The stream ends with the table.
    pub(super) fn watch(&self, service: &str) -> Watch {
        let watcher = Watcher {
            state: self.0.subscribe(),
            service: service.to_owned(),
            told: BTreeMap::new(),
            told_all: false,
            queue: VecDeque::new(),
        };
        stream::unfold(watcher, |mut watcher| async move {
            let change = watcher.next().await?;
            Some((Ok(change), watcher))
        })
        .boxed()
    }
}

struct Watcher {
    state: watch::Receiver<State>,
    service: String,
    /// What the reader of the stream was told.
    told: BTreeMap<String, Arc<Registration>>,
    told_all: bool,
    queue: VecDeque<Change>,
}

impl Watcher {
    async fn next(&mut self) -> Option<Change> {
        loop {
            if let Some(change) = self.queue.pop_front() {
                return Some(change);
            }
            let next_expiry = self.look();
            if !self.queue.is_empty() {
                continue;
            }
            if self.state.borrow().ended {
                return None;
            }
            tokio::select! {
                changed = self.state.changed() => changed.ok()?,
                () = until(next_expiry) => {}
            }
        }
    }

    /// Compares the state with what was told, fills the queue, and says when the next node expires.
    fn look(&mut self) -> Option<Instant> {
        let now = Instant::now();
        let state = self.state.borrow_and_update();
        let known = state.services.get(&self.service);
        let live = || known.into_iter().flat_map(|nodes| nodes.values()).filter(|entry| entry.is_live(now));
        let next_expiry = live().filter_map(|entry| entry.expires).min();

        let current: BTreeMap<_, _> =
            live().map(|entry| (entry.registration.node.id.clone(), entry.registration.clone())).collect();
        if state.complete && !self.told_all {
            self.told_all = true;
            self.queue.push_back(Change::Snapshot(current.values().cloned().collect()));
        } else {
            // Those that came first: where all nodes are replaced there is one at every moment.
            let new = current.iter().filter(|(id, registration)| {
                // A renewal that changed nothing is no news.
                self.told
                    .get(*id)
                    .is_none_or(|told| !Arc::ptr_eq(told, registration) && told != *registration)
            });
            self.queue.extend(new.map(|(_, registration)| Change::Put(registration.clone())));
            let gone = self.told.keys().filter(|id| !current.contains_key(*id));
            self.queue.extend(gone.map(|id| Change::Remove(id.clone())));
        }
        self.told = current;
        next_expiry
    }
}

async fn until(instant: Option<Instant>) {
    match instant {
        Some(instant) => sleep_until(instant).await,
        None => std::future::pending().await,
    }
}

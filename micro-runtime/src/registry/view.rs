use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::{Change, Registration, Registry};
use crate::error::{Code, Error, Result};
use crate::selector::Candidate;

/// The nodes of one service, kept up to date by one watch for all that share it. See
/// [`Discovery`](super::Discovery).
///
/// Reading it is one atomic load. When the registry fails, the last good answer stays and
/// [`age`](Self::age) says how old it is.
pub struct View {
    service: String,
    registry: Arc<dyn Registry>,
    state: Arc<State>,
}

/// The nodes of a service at one moment. It is a slice of candidates, sorted by the nodes' ids.
#[derive(Debug, Default)]
pub struct Snapshot(Vec<Arc<Candidate>>);

impl Deref for Snapshot {
    type Target = [Arc<Candidate>];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromIterator<Arc<Candidate>> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Arc<Candidate>>>(candidates: I) -> Self {
        Self(candidates.into_iter().collect())
    }
}

impl View {
    pub(super) fn new(service: &str, registry: Arc<dyn Registry>) -> Self {
        Self { service: service.to_owned(), registry, state: Arc::default() }
    }

    /// The name of the service.
    pub fn service(&self) -> &str {
        &self.service
    }

    /// The nodes that are known now. It never changes; ask again for newer ones.
    pub fn nodes(&self) -> Arc<Snapshot> {
        self.state.nodes.load_full()
    }

    /// The same, lent out for a moment.
    pub(crate) fn current(&self) -> Guard<Arc<Snapshot>> {
        self.state.nodes.load()
    }

    /// Waits until there is a node, or the registry said that there is none.
    ///
    /// Fails with the registry's error where it never gave an answer, and with `deadline_exceeded`
    /// when the time is up. Once it has returned `Ok` it does so at once, also while the registry is
    /// down.
    pub async fn ready(&self, deadline: Option<Instant>) -> Result<()> {
        self.answered(deadline, |status| status.answered).await
    }

    /// The same, until the registry has given its whole answer: for who must not miss a node.
    pub(crate) async fn complete(&self, deadline: Option<Instant>) -> Result<()> {
        self.answered(deadline, |status| status.complete).await
    }

    async fn answered(&self, deadline: Option<Instant>, enough: impl Fn(&Status) -> bool) -> Result<()> {
        let mut status = self.state.status.subscribe();
        let answer = async {
            let status = status.wait_for(|status| enough(status) || status.failure.is_some()).await;
            match status.as_deref() {
                Ok(status) if enough(status) => Ok(()),
                Ok(Status { failure: Some((code, message)), .. }) => Err(Error::new(*code, message.clone())),
                _ => Ok(()),
            }
        };
        match deadline {
            None => answer.await,
            Some(deadline) => timeout_at(deadline, answer).await.unwrap_or_else(|_| {
                Err(Error::deadline_exceeded(format!(
                    "the registry `{}` did not say in time where `{}` is",
                    self.registry.name(),
                    self.service
                )))
            }),
        }
    }

    /// Waits until the nodes are as wanted, and returns them. For tests and tools.
    pub async fn until(&self, wanted: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let mut status = self.state.status.subscribe();
        loop {
            status.borrow_and_update();
            let nodes = self.nodes();
            if wanted(&nodes) {
                return nodes;
            }
            // It can only fail when the state is gone, and `self` holds it.
            if status.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// How long the registry has not been heard of; zero while the view is being kept up to date.
    pub fn age(&self) -> Duration {
        self.state.status.borrow().stale_since.map_or(Duration::ZERO, |since| since.elapsed())
    }

    /// Whether the nodes are a former answer because the registry does not give one now.
    pub fn is_stale(&self) -> bool {
        self.state.status.borrow().stale_since.is_some()
    }

    /// Whether there is a task that follows the registry, be it away now or not. It holds the state as well.
    pub(crate) fn is_followed(&self) -> bool {
        Arc::strong_count(&self.state) > 1
    }

    /// How often the registry could not be followed, since this was looked for first.
    pub fn failures(&self) -> u64 {
        self.state.failures.load(Ordering::Relaxed)
    }

    /// Tells the registry that nobody answers at the address of this node.
    pub fn suspect(&self, candidate: &Candidate) {
        self.registry.suspect(candidate.registration());
    }

    pub(super) fn state(&self) -> Arc<State> {
        self.state.clone()
    }
}

impl fmt::Debug for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("service", &self.service)
            .field("registry", &self.registry.name())
            .field("nodes", &self.nodes().len())
            .field("status", &*self.state.status.borrow())
            .finish()
    }
}

/// What the readers of a view and the task that follows the registry share.
#[derive(Debug, Default)]
pub(super) struct State {
    nodes: ArcSwap<Snapshot>,
    status: watch::Sender<Status>,
    /// There was a complete answer, and nodes that come later join those that are there.
    complete: AtomicBool,
    failures: AtomicU64,
}

#[derive(Debug, Default)]
struct Status {
    /// There was a node, or a complete answer.
    answered: bool,
    /// There was a complete answer.
    complete: bool,
    /// Since when nothing is heard of the registry.
    stale_since: Option<Instant>,
    /// Why that is so. The error itself cannot be given to several.
    failure: Option<(Code, String)>,
}

impl State {
    /// Takes one change in, and returns the addresses where no node is any more. Only one task may do that at a time.
    pub(super) fn apply(&self, change: Change) -> Vec<String> {
        let before = self.nodes.load();
        let position = |id: &str| before.binary_search_by(|candidate| candidate.node().id.as_str().cmp(id));
        let is_snapshot = matches!(change, Change::Snapshot(_));
        let joins = self.complete.fetch_or(is_snapshot, Ordering::Relaxed) && !before.is_empty();
        // Changes of one node come by the thousand where a registry has no complete answer, so they take no more than a copy of
        // the pointers.
        let after = match change {
            Change::Put(registration) => {
                let index = position(&registration.node.id);
                let known = index.ok().and_then(|index| before.get(index));
                let candidate = carry_on(known, registration, joins);
                let mut after = before.0.clone();
                match index {
                    Ok(index) => after.splice(index..=index, [candidate]).for_each(drop),
                    Err(index) => after.insert(index, candidate),
                }
                after
            }
            Change::Remove(gone) => {
                let mut after = before.0.clone();
                position(&gone).ok().map(|index| after.remove(index));
                after
            }
            Change::Snapshot(all) => {
                let candidate = |registration: Arc<Registration>| {
                    let known = position(&registration.node.id).ok().and_then(|index| before.get(index));
                    (registration.node.id.clone(), carry_on(known, registration, joins))
                };
                all.into_iter().map(candidate).collect::<BTreeMap<_, _>>().into_values().collect()
            }
        };
        let answered = is_snapshot || !after.is_empty();
        let left = left(&before, &after);
        self.nodes.store(Arc::new(Snapshot(after)));
        self.status.send_modify(|status| {
            status.answered |= answered;
            status.complete |= is_snapshot;
            status.stale_since = None;
            status.failure = None;
        });
        left
    }

    /// The nodes now.
    pub(super) fn nodes(&self) -> Arc<Snapshot> {
        self.nodes.load_full()
    }

    /// The registry did not do what it was asked for.
    pub(super) fn count_failure(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// The registry cannot be followed for now.
    pub(super) fn failed(&self, error: &Error) {
        self.status.send_modify(|status| {
            status.stale_since.get_or_insert_with(Instant::now);
            status.failure = Some((error.code(), error.message().to_owned()));
        });
    }
}

/// The addresses that were those of nodes before, and are not after.
fn left(before: &[Arc<Candidate>], after: &[Arc<Candidate>]) -> Vec<String> {
    // Both are sorted by id.
    let mut rest = after.iter().peekable();
    let mut moved = |before: &Arc<Candidate>| {
        while rest.next_if(|after| after.node().id < before.node().id).is_some() {}
        let same = rest.next_if(|after| after.node().id == before.node().id);
        same.is_none_or(|after| !Arc::ptr_eq(after, before) && after.node().address != before.node().address)
    };
    let mut left: Vec<_> =
        before.iter().filter(|node| moved(node)).map(|node| node.node().address.clone()).collect();
    if !left.is_empty() {
        let there: HashSet<_> = after.iter().map(|after| after.node().address.as_str()).collect();
        left.retain(|address| !there.contains(address.as_str()));
    }
    left
}

/// The candidate for a registration. What is known of the node stays known while it is the same
/// one, which it is not when it came back somewhere else.
fn carry_on(known: Option<&Arc<Candidate>>, registration: Arc<Registration>, joins: bool) -> Arc<Candidate> {
    match known {
        Some(known) if *known.registration() == registration => known.clone(),
        Some(known) if known.node().address == registration.node.address => {
            Arc::new(known.renewed(registration))
        }
        _ if joins => Arc::new(Candidate::joining(registration)),
        _ => Arc::new(Candidate::new(registration)),
    }
}

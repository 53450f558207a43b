use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::Uri;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};

use super::super::Guarantee;
use super::wire::{SERVICE, Subscriber};
use crate::context::{hash, mix};
use crate::error::{Error, Result};
use crate::registry::{Discovery, Snapshot, View};
use crate::selector::Candidate;

/// How long a subscription is chosen last that could not be reached.
const AVOIDED: Duration = Duration::from_secs(1);

/// How long a registry may be behind.
const BEHIND: Duration = Duration::from_secs(4);

/// How long the registry may take to say who there is, the first time: mDNS takes 1.5 s.
const PATIENCE: Duration = Duration::from_secs(5);

/// After so long everybody has answered who subscribes, also on a machine that has much else to do.
const GATHERED: Duration = Duration::from_secs(4);

/// Who subscribes to what, as far as the registry says.
#[derive(Debug)]
pub(super) struct Targets {
    discovery: Discovery,
    /// With the moment from which on the registry is followed.
    view: Mutex<Option<(Arc<View>, Instant)>>,
    index: ArcSwap<Index>,
    rebuilding: Mutex<()>,
    /// How many events are on their way to one subscription at the most.
    in_flight: usize,
}

/// The subscriptions by topic, as of one snapshot.
#[derive(Debug, Default)]
struct Index {
    of: Arc<Snapshot>,
    topics: HashMap<String, Arc<Topic>>,
    lanes: HashMap<String, Arc<Lane>>,
}

/// Who subscribes to one topic.
#[derive(Debug, Default)]
pub(super) struct Topic {
    /// Each of them gets every event.
    pub(super) all: Vec<Arc<Lane>>,
    pub(super) groups: Vec<Group>,
}

/// Subscriptions that share the events.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) members: Vec<Arc<Lane>>,
}

/// The way to one subscription.
#[derive(Debug)]
pub(super) struct Lane {
    candidate: Arc<Candidate>,
    pub(super) uri: Uri,
    pub(super) acknowledges: bool,
    pub(super) guarantee: Guarantee,
    pub(super) ordered: bool,
    pub(super) secure: bool,
    pub(super) places: Semaphore,
    /// When it could last not be reached, unless it was since.
    unreached: Mutex<Option<Instant>>,
    /// It is over, whatever the registry says. Ids do not come back.
    gone: OnceLock<Instant>,
}

impl Targets {
    pub(super) fn new(discovery: Discovery, in_flight: usize) -> Self {
        Self {
            discovery,
            view: Mutex::default(),
            index: ArcSwap::default(),
            rebuilding: Mutex::default(),
            in_flight,
        }
    }

    /// Waits until the registry has said who there is.
    pub(super) async fn ready(&self) -> Result<Arc<View>> {
        let view = self.view()?;
        view.complete(Some(Instant::now() + PATIENCE)).await.map_err(|error| {
            Error::unavailable(format!("it is not known who subscribes: {}", error.message()))
                .with_source(error)
        })?;
        Ok(view)
    }

    /// The view, where the registry is followed already.
    pub(super) fn followed(&self) -> Option<Arc<View>> {
        self.known().map(|(view, _)| view).filter(|view| view.is_followed())
    }

    fn view(&self) -> Result<Arc<View>> {
        if let Some(view) = self.followed() {
            return Ok(view);
        }
        let view = self.discovery.view(SERVICE)?;
        *self.view.lock().unwrap_or_else(PoisonError::into_inner) = Some((view.clone(), Instant::now()));
        Ok(view)
    }

    fn known(&self) -> Option<(Arc<View>, Instant)> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Who subscribes to a topic now. Where nobody does, and the registry has not been heard for long of which nobody
    /// has all, this waits until it has: somebody may be slow to answer.
    pub(super) async fn of_all(&self, view: &View, topic: &str) -> Option<Arc<Topic>> {
        let found = self.of(view, topic);
        if found.is_some() || !self.discovery.registry().gathers() {
            return found;
        }
        let (_, since) = self.known()?;
        let is_there = view.until(|nodes| {
            nodes.iter().any(|node| {
                Subscriber::read(node.registration()).is_some_and(|subscriber| subscriber.topic == topic)
            })
        });
        // Where it takes longer there is nobody.
        let _ = timeout_at(since + GATHERED, is_there).await;
        self.of(view, topic)
    }

    /// Who subscribes to a topic now.
    pub(super) fn of(&self, view: &View, topic: &str) -> Option<Arc<Topic>> {
        let index = self.index.load();
        if Arc::ptr_eq(&index.of, &view.current()) {
            return index.topics.get(topic).cloned();
        }
        drop(index);
        self.rebuild(view);
        self.index.load().topics.get(topic).cloned()
    }

    fn rebuild(&self, view: &View) {
        let _one_at_a_time = self.rebuilding.lock().unwrap_or_else(PoisonError::into_inner);
        let nodes = view.nodes();
        let before = self.index.load();
        if !Arc::ptr_eq(&before.of, &nodes) {
            self.index.store(Arc::new(Index::new(nodes, &before, self.in_flight)));
        }
    }
}

impl Index {
    fn new(nodes: Arc<Snapshot>, before: &Self, in_flight: usize) -> Self {
        let mut topics: HashMap<String, Topic> = HashMap::new();
        let mut lanes = HashMap::new();
        for candidate in nodes.iter() {
            let Some(subscriber) = Subscriber::read(candidate.registration()) else { continue };
            let id = &candidate.node().id;
            // What is known of it stays known.
            let known = before.lanes.get(id).filter(|known| Arc::ptr_eq(&known.candidate, candidate));
            let lane = match known {
                Some(known) => known.clone(),
                None => match Lane::new(candidate, &subscriber, in_flight) {
                    Some(lane) => Arc::new(lane),
                    None => {
                        let address = candidate.node().address.as_str();
                        tracing::warn!(
                            subscription = id.as_str(),
                            address,
                            "a subscription has an address that is none"
                        );
                        continue;
                    }
                },
            };
            lanes.insert(id.clone(), lane.clone());
            let topic = topics.entry(subscriber.topic.to_owned()).or_default();
            match subscriber.group {
                None => topic.all.push(lane),
                Some(name) => match topic.groups.iter_mut().find(|group| group.name == name) {
                    Some(group) => group.members.push(lane),
                    None => topic.groups.push(Group { name: name.to_owned(), members: vec![lane] }),
                },
            }
        }
        let topics = topics.into_iter().map(|(name, topic)| (name, Arc::new(topic))).collect();
        Self { of: nodes, topics, lanes }
    }
}

impl Topic {
    /// The members of a group.
    pub(super) fn members(&self, group: &str) -> Vec<Arc<Lane>> {
        let group = self.groups.iter().filter(|known| known.name == group);
        group.flat_map(|group| &group.members).filter(|lane| !lane.is_gone()).cloned().collect()
    }

    /// All of them, in groups or not.
    pub(super) fn everybody(&self) -> Vec<Arc<Lane>> {
        let grouped = self.groups.iter().flat_map(|group| &group.members);
        grouped.chain(&self.all).filter(|lane| !lane.is_gone()).cloned().collect()
    }
}

impl Lane {
    fn new(candidate: &Arc<Candidate>, subscriber: &Subscriber<'_>, in_flight: usize) -> Option<Self> {
        let node = candidate.node();
        let id = utf8_percent_encode(&node.id, NON_ALPHANUMERIC);
        let uri: Uri = format!("http://{}/?id={id}", node.address).parse().ok()?;
        uri.port()?;
        Some(Self {
            candidate: candidate.clone(),
            uri,
            acknowledges: subscriber.acknowledges,
            guarantee: subscriber.guarantee,
            ordered: subscriber.ordered,
            secure: subscriber.secure,
            places: Semaphore::new(in_flight.min(Semaphore::MAX_PERMITS)),
            unreached: Mutex::default(),
            gone: OnceLock::new(),
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.candidate.node().id
    }

    pub(super) fn address(&self) -> &str {
        &self.candidate.node().address
    }

    pub(super) fn candidate(&self) -> &Candidate {
        &self.candidate
    }

    /// Notes that nobody answered.
    pub(super) fn note_unreached(&self) {
        *self.unreached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Notes that it answered.
    pub(super) fn note_reached(&self) {
        *self.unreached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes that it is over.
    pub(super) fn note_gone(&self) {
        let _ = self.gone.set(Instant::now());
    }

    pub(super) fn is_gone(&self) -> bool {
        self.gone.get().is_some()
    }

    /// Whether that is so recent that the registry may not know of those in its place.
    pub(super) fn has_just_gone(&self) -> bool {
        self.gone.get().is_some_and(|since| since.elapsed() < BEHIND)
    }

    fn is_avoided(&self) -> bool {
        let unreached = self.unreached.lock().unwrap_or_else(PoisonError::into_inner);
        unreached.is_some_and(|last| last.elapsed() < AVOIDED)
    }
}

/// Chooses the member that an event goes to, from those that were not tried yet.
///
/// With a key it is the one that the key belongs to, the same for every publisher: rendezvous hashing (David Thaler and
/// Chinya Ravishankar, 1998), so that only the keys of a member that goes or comes move. Without one it is the one with the
/// fewest events on their way, or any one of those that do not acknowledge, of which nothing is known.
pub(super) fn choose(members: &[Arc<Lane>], tried: &[String], key: Option<&str>) -> Option<Arc<Lane>> {
    let left = || members.iter().filter(|lane| !tried.iter().any(|tried| tried == lane.id()));
    if let Some(key) = key {
        let key = hash(key.as_bytes()).get();
        return left().max_by_key(|lane| mix(key ^ lane.candidate.hash())).cloned();
    }
    let cost = |lane: &&Arc<Lane>| {
        let free = if lane.acknowledges { lane.places.available_permits() } else { 0 };
        (lane.is_avoided(), std::cmp::Reverse(free), fastrand::u32(..))
    };
    left().min_by_key(cost).cloned()
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::availability::{Admission, Availability, Times, UNREACHABLE};
use super::load::Load;
use super::outlier::{Failures, OutlierEjection};
use super::{Reason, weight};
use crate::context;
use crate::registry::{Node, Registration};

/// A node that a call can go to, with what is known of it: its load, and whether it is in use.
///
/// What is known belongs to the node and not to this value: when the node registers again at the
/// same address with other metadata, the new candidate goes on with it. All of it is atomics.
#[derive(Debug)]
pub struct Candidate {
    registration: Arc<Registration>,
    weight: u32,
    /// The hash of the node's id.
    hash: u64,
    state: Arc<State>,
}

/// How exact it is known when a node was last picked, in nanoseconds.
const PICKS_NOTED: u64 = 1_000_000;

#[derive(Debug)]
struct State {
    /// All times are nanoseconds since then, which is when the node was first seen.
    epoch: Instant,
    /// Whether there were other nodes before it.
    joins: bool,
    load: Load,
    availability: Availability,
    failures: Failures,
    last_pick: AtomicU64,
}

impl Candidate {
    /// A node nothing is known of yet.
    pub fn new(registration: Arc<Registration>) -> Self {
        Self::first_seen(registration, false)
    }

    /// A node that joins others which are in use: what it gets at first is less, see
    /// [`slow_start`](crate::client::ClientBuilder::slow_start).
    pub fn joining(registration: Arc<Registration>) -> Self {
        Self::first_seen(registration, true)
    }

    fn first_seen(registration: Arc<Registration>, joins: bool) -> Self {
        let state = State {
            epoch: Instant::now(),
            joins,
            load: Load::default(),
            availability: Availability::default(),
            failures: Failures::default(),
            last_pick: AtomicU64::new(0),
        };
        Self::with(registration, Arc::new(state))
    }

    /// The same node with a new registration.
    pub(crate) fn renewed(&self, registration: Arc<Registration>) -> Self {
        Self::with(registration, self.state.clone())
    }

    fn with(registration: Arc<Registration>, state: Arc<State>) -> Self {
        let (weight, hash) =
            (weight::of(&registration), context::hash(registration.node.id.as_bytes()).get());
        Self { registration, weight, hash, state }
    }

    /// What the registry says about the node.
    pub fn registration(&self) -> &Arc<Registration> {
        &self.registration
    }

    /// The node.
    pub fn node(&self) -> &Node {
        &self.registration.node
    }

    /// The version that the node runs.
    pub fn version(&self) -> &str {
        &self.registration.version
    }

    /// What the node's metadata says under this name, or else the service's.
    pub fn label(&self, name: &str) -> Option<&str> {
        let Registration { node, metadata, .. } = &*self.registration;
        node.metadata.get(name).or_else(|| metadata.get(name)).map(String::as_str)
    }

    /// How much of the calls the node takes, beside the others: its metadata `weight`,
    /// [`DEFAULT_WEIGHT`](super::DEFAULT_WEIGHT) where there is none.
    pub fn weight(&self) -> u32 {
        self.weight
    }

    /// A number that is the same for this node's id in every process.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// How many calls of this process are at the node now.
    pub fn in_flight(&self) -> u32 {
        self.state.load.in_flight()
    }

    /// How many calls of this process went to the node since it was first seen; after four billion it begins
    /// again.
    pub fn calls(&self) -> u32 {
        self.state.load.calls()
    }

    /// How many of them failed; after four billion it begins again.
    pub fn failures(&self) -> u32 {
        self.state.failures.all()
    }

    /// How often the node was taken out of use.
    pub fn ejections(&self) -> u32 {
        self.state.availability.ejections()
    }

    /// The latency to expect: a peak-sensitive moving average. Zero where no call was measured.
    pub fn latency(&self) -> Duration {
        self.state.load.latency(self.nanos(Instant::now()))
    }

    /// What a further call costs at this node, to be compared with that of others: the latency
    /// times the calls in flight, this one included, for a node of the default weight; half of that where the weight
    /// is twice as much.
    pub fn cost(&self, now: Instant) -> f64 {
        let cost = self.state.load.cost(self.nanos(now));
        if self.weight == weight::DEFAULT_WEIGHT {
            return cost;
        }
        cost * f64::from(weight::DEFAULT_WEIGHT) / f64::from(self.weight.max(1))
    }

    /// For how long the node is known, where it joined others.
    pub fn joined(&self, now: Instant) -> Option<Duration> {
        self.state.joins.then(|| now.saturating_duration_since(self.state.epoch))
    }

    /// Takes the node out of use: nobody listens there. For one second the first time, for twice as
    /// long each further time, and for 30 seconds at most; a call that succeeds starts it over.
    ///
    /// Says for how long. While the node is out of use already, nothing changes, so a hundred
    /// calls that fail at once are one failure.
    pub fn eject(&self) -> Option<Duration> {
        self.eject_unreachable(self.nanos(Instant::now()), false)
    }

    /// Takes the node out of use for this long, and no shorter than it is already.
    pub fn eject_for(&self, time: Duration) {
        self.state.availability.eject_for(self.nanos(Instant::now()), time);
    }

    /// Whether a call may go to the node now: it is in use, or it was not, its time is over, and nobody tries it yet.
    pub fn is_available(&self, now: Instant) -> bool {
        self.state.availability.is_available(self.nanos(now))
    }

    /// Why the node is out of use, and for how much longer; zero where its next call is to find out how it does.
    /// `None` for a node that is in use.
    pub fn out_of_use(&self, now: Instant) -> Option<(Reason, Duration)> {
        let (reason, until) = self.state.availability.out()?;
        Some((reason, Duration::from_nanos(until.saturating_sub(self.nanos(now)))))
    }

    /// Whether the node is in use and did not fail, as most are; where it is not so, there is more to look at.
    pub(super) fn is_plain(&self) -> bool {
        self.state.availability.is_plain()
    }

    /// Whether the node failed, and whether it did so too often is to be seen.
    pub(super) fn is_doubted(&self) -> bool {
        self.state.availability.is_doubted()
    }

    pub(super) fn trust(&self) {
        self.state.availability.trust();
    }

    pub(super) fn fails_too_often(&self, limits: &OutlierEjection, now: Instant) -> bool {
        self.state.failures.too_many(limits, self.nanos(now), self.calls())
    }

    pub(super) fn eject_failing(&self, limits: &OutlierEjection, now: Instant) -> Option<Duration> {
        let times = Times { first: limits.base_time, longest: limits.longest_time };
        let ejected = self.state.availability.eject(self.nanos(now), Reason::Failing, false, times);
        if ejected.is_some() {
            self.state.failures.forget(self.calls());
        }
        ejected
    }

    pub(super) fn load(&self) -> &Load {
        &self.state.load
    }

    pub(super) fn admit(&self, now: Instant) -> Admission {
        if self.is_plain() { Admission::Open } else { self.state.availability.admit(self.nanos(now)) }
    }

    /// The call that was to find out how the node does was given up.
    pub(super) fn release(&self, now: Instant) {
        self.state.availability.release(self.nanos(now));
    }

    /// A call that was made at `since` was answered.
    pub(super) fn reached(&self, since: Instant, now: u64) {
        self.state.failures.over();
        if !self.is_plain() {
            self.state.availability.reached(self.nanos(since), now);
        }
    }

    /// A call failed; one that was to find out how the node does takes it out of use again.
    pub(super) fn failed(&self, now: u64, probe: bool) {
        self.state.failures.add();
        if probe {
            self.state.availability.eject_again(now);
        } else {
            self.state.availability.doubt();
        }
    }

    pub(super) fn eject_unreachable(&self, now: u64, probe: bool) -> Option<Duration> {
        self.state.availability.eject(now, Reason::Unreachable, probe, UNREACHABLE)
    }

    pub(super) fn nanos(&self, now: Instant) -> u64 {
        // 584 years.
        u64::try_from(now.saturating_duration_since(self.state.epoch).as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) fn picked(&self, now: Instant) {
        let (now, last) = (self.nanos(now), &self.state.last_pick);
        // Written now and then: all calls share it.
        if now.saturating_sub(last.load(Ordering::Relaxed)) >= PICKS_NOTED {
            last.store(now, Ordering::Relaxed);
        }
    }

    /// Whether the node was not picked for so long, and it is this caller that gets to do it.
    pub(super) fn claim_if_idle(&self, now: Instant, idle: Duration) -> bool {
        let now = self.nanos(now);
        let last = self.state.last_pick.load(Ordering::Relaxed);
        u128::from(now.saturating_sub(last)) >= idle.as_nanos()
            && self.state.last_pick.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::availability::Availability;
use super::load::Load;
use crate::registry::{Node, Registration};

/// A node that a call can go to, with what is known of it: its load, and whether it can be reached.
///
/// What is known belongs to the node and not to this value: when the node registers again at the
/// same address with other metadata, the new candidate goes on with it. All of it is atomics.
#[derive(Debug)]
pub struct Candidate {
    registration: Arc<Registration>,
    state: Arc<State>,
}

/// How exact it is known when a node was last picked, in nanoseconds.
const PICKS_NOTED: u64 = 1_000_000;

#[derive(Debug)]
struct State {
    /// All times are nanoseconds since then.
    epoch: Instant,
    load: Load,
    availability: Availability,
    last_pick: AtomicU64,
}

impl Candidate {
    /// A node nothing is known of yet.
    pub fn new(registration: Arc<Registration>) -> Self {
        let state = State {
            epoch: Instant::now(),
            load: Load::default(),
            availability: Availability::default(),
            last_pick: AtomicU64::new(0),
        };
        Self { registration, state: Arc::new(state) }
    }

    /// The same node with a new registration.
    pub(crate) fn renewed(&self, registration: Arc<Registration>) -> Self {
        Self { registration, state: self.state.clone() }
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

    /// How many calls of this process are at the node now.
    pub fn in_flight(&self) -> u32 {
        self.state.load.in_flight()
    }

    /// The latency to expect: a peak-sensitive moving average. Zero where no call was measured.
    pub fn latency(&self) -> Duration {
        self.state.load.latency(self.nanos(Instant::now()))
    }

    /// What a further call costs at this node, to be compared with that of others: the latency
    /// times the calls in flight, this one included.
    pub fn cost(&self, now: Instant) -> f64 {
        self.state.load.cost(self.nanos(now))
    }

    /// Takes the node out of use: nobody listens there. For one second the first time, for twice as
    /// long each further time, and for 30 seconds at most; a call that succeeds starts it over.
    ///
    /// Says for how long. While the node is out of use already, nothing changes, so a hundred
    /// calls that fail at once are one failure.
    pub fn eject(&self) -> Option<Duration> {
        self.state.availability.eject(self.nanos(Instant::now()))
    }

    /// Takes the node out of use for this long, and no shorter than it is already.
    pub fn eject_for(&self, time: Duration) {
        self.state.availability.eject_for(self.nanos(Instant::now()), time);
    }

    /// Whether the node is in use.
    pub fn is_available(&self, now: Instant) -> bool {
        self.state.availability.is_available(self.nanos(now))
    }

    /// Whether the node was taken out of use since a call last reached it, so that there is a time to look at.
    pub(super) fn was_ejected(&self) -> bool {
        self.state.availability.was_ejected()
    }

    pub(super) fn load(&self) -> &Load {
        &self.state.load
    }

    pub(super) fn reached(&self) {
        self.state.availability.reached();
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

use std::any::Any;
use std::borrow::Cow;
use std::cell::OnceCell;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Candidate, CandidateSet, OutlierEjection, Pick, Reason};
use crate::context;

/// The least that a node gets of its share while it is new: 10 %, Envoy's `min_weight_percent`.
const FIRST_SHARE: f64 = 0.1;

/// What a client decides about nodes, whatever its selector is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Policy {
    /// When nodes that fail are taken out of use; `None` is never.
    pub(crate) outliers: Option<OutlierEjection>,
    /// How long it takes until a node that joined gets its full share; zero is no time.
    pub(crate) slow_start: Duration,
}

impl Policy {
    pub(crate) const NONE: Self = Self { outliers: None, slow_start: Duration::ZERO };
}

/// One choice of a node: what a [`Selector`](super::Selector) is given.
///
/// Made from a [`CandidateSet`], and by a client for each of its calls.
#[derive(Clone)]
pub struct Choice<'a> {
    set: &'a CandidateSet,
    /// All nodes that calls may go to, of which the set may be a part.
    everyone: &'a CandidateSet,
    key: Option<NonZeroU64>,
    policy: &'a Policy,
    excluded: Option<&'a dyn Fn(&Candidate) -> bool>,
    /// Whether nodes that are out of use will do.
    anyone: bool,
    /// Asked for once, when it is first needed.
    now: OnceCell<Instant>,
}

impl<'a> Choice<'a> {
    pub(super) fn among(set: &'a CandidateSet) -> Self {
        Self {
            set,
            everyone: set,
            key: None,
            policy: &Policy::NONE,
            excluded: None,
            anyone: false,
            now: OnceCell::new(),
        }
    }

    /// The same for a call with this key, see [`Call::affinity`](crate::client::Call::affinity).
    #[must_use]
    pub fn with_key(self, key: impl AsRef<[u8]>) -> Self {
        self.keyed(Some(context::hash(key.as_ref())))
    }

    /// The same without these nodes: those that were tried, for example.
    #[must_use]
    pub fn without(mut self, excluded: &'a dyn Fn(&Candidate) -> bool) -> Self {
        self.excluded = Some(excluded);
        self
    }

    pub(crate) fn keyed(mut self, key: Option<NonZeroU64>) -> Self {
        self.key = key;
        self
    }

    pub(crate) fn under(mut self, policy: &'a Policy) -> Self {
        self.policy = policy;
        self
    }

    /// The same, where these are all nodes that calls may go to.
    pub(crate) fn within(mut self, everyone: &'a CandidateSet) -> Self {
        self.everyone = everyone;
        self
    }

    /// The same, made then; it asks the clock where that is not known.
    pub(crate) fn at(mut self, now: Option<Instant>) -> Self {
        self.now = now.map_or_else(OnceCell::new, OnceCell::from);
        self
    }

    /// The same, where nodes that are out of use will do.
    pub(crate) fn of_anyone(mut self) -> Self {
        self.anyone = true;
        self
    }

    /// All nodes there are, be they [usable](Self::is_usable) for this call or not.
    pub fn candidates(&self) -> &'a CandidateSet {
        self.set
    }

    /// The hash of the key of the call, where it has one.
    pub fn key(&self) -> Option<u64> {
        self.key.map(NonZeroU64::get)
    }

    /// When the choice is made.
    pub fn now(&self) -> Instant {
        *self.now.get_or_init(Instant::now)
    }

    /// Whether the call may go to this node: it is in use, and was not tried by this call.
    pub fn is_usable(&self, candidate: &Candidate) -> bool {
        let in_use = candidate.is_plain() || self.anyone || self.is_in_use(candidate);
        in_use && !self.is_excluded(candidate)
    }

    /// Whether the call should go to this node: it is usable, and not so new that others are to take this one.
    ///
    /// A node that joined others takes a share of what it would otherwise get that grows from a tenth to all of it
    /// while the client's [`slow_start`](crate::client::ClientBuilder::slow_start) lasts, as in Envoy's slow start
    /// with an aggression of 1. Which calls these are is up to chance, so ask once per call and node; where no node
    /// takes it, one that is usable has to.
    pub fn takes(&self, candidate: &Candidate) -> bool {
        self.is_usable(candidate) && !self.declines(candidate)
    }

    /// A usable node, the first one from this place in the list on and then around; `None` where there is none.
    ///
    /// It looks at one after the other, so it is for where nothing better found one.
    pub fn usable_from(&self, place: usize) -> Option<&'a Arc<Candidate>> {
        let (before, after) = self.set.split_at(place.checked_rem(self.set.len())?);
        after.iter().chain(before).find(|candidate| self.is_usable(candidate))
    }

    /// The nodes that are usable. Where that is all of them, which is the usual case, nothing is copied.
    pub fn usable(&self) -> Cow<'a, [Arc<Candidate>]> {
        let fine = |candidate: &&Arc<Candidate>| self.is_usable(candidate);
        if self.set.iter().all(|candidate| fine(&candidate)) {
            Cow::Borrowed(self.set)
        } else {
            Cow::Owned(self.set.iter().filter(fine).cloned().collect())
        }
    }

    /// Picks this node.
    pub fn take(&self, candidate: &Arc<Candidate>) -> Pick {
        Pick::at(candidate, self.now())
    }

    /// What a selector prepares once for these nodes, a table for example, and keeps as long as they are the same:
    /// one value of each type. `make` is given what was prepared for the nodes that were there before.
    ///
    /// What changes with each call goes into it as well, as atomics: it belongs to the nodes of one service and to one
    /// client, and not to all calls of the selector.
    pub fn prepared<T: Any + Send + Sync>(&self, make: impl FnOnce(&CandidateSet, Option<&T>) -> T) -> &'a T {
        self.set.prepared(make)
    }

    pub(super) fn is_excluded(&self, candidate: &Candidate) -> bool {
        self.excluded.is_some_and(|excluded| excluded(candidate))
    }

    /// Whether a node is in use that had a failure. This is where one that fails too often is taken out.
    #[cold]
    pub(super) fn is_in_use(&self, candidate: &Candidate) -> bool {
        let now = self.now();
        let Some(limits) = self.policy.outliers.as_ref().filter(|_| candidate.is_doubted()) else {
            let available = candidate.is_available(now);
            if !available {
                self.set.worry();
            }
            return available;
        };
        if !candidate.fails_too_often(limits, now) || !self.can_spare_one(limits) {
            candidate.trust();
            return true;
        }
        if let Some(time) = candidate.eject_failing(limits, now) {
            self.set.worry();
            tracing::info!(
                service = candidate.registration().service,
                node = candidate.node().id,
                seconds = time.as_secs_f64(),
                "out of use for a while: the node fails too often"
            );
        }
        false
    }

    /// Counted over all nodes: another zone stands in for one whose only node fails.
    fn can_spare_one(&self, limits: &OutlierEjection) -> bool {
        let out = |candidate: &Arc<Candidate>| candidate.out_of_use(self.now()).map(|(reason, _)| reason);
        let (mut failing, mut in_use) = (0, 0);
        for candidate in self.everyone.iter() {
            match out(candidate) {
                Some(Reason::Failing) => failing += 1,
                Some(Reason::Unreachable) => {}
                None => in_use += 1,
            }
        }
        limits.allows(self.everyone.len(), failing, in_use)
    }

    fn declines(&self, candidate: &Candidate) -> bool {
        let window = self.policy.slow_start;
        if window.is_zero() {
            return false;
        }
        let Some(age) = candidate.joined(self.now()).filter(|age| *age < window) else { return false };
        fastrand::f64() > (age.as_secs_f64() / window.as_secs_f64()).max(FIRST_SHARE)
    }
}

impl std::fmt::Debug for Choice<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Choice")
            .field("candidates", &self.set.len())
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

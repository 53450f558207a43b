use std::cell::OnceCell;
use std::sync::Arc;

use super::{Candidate, CandidateSet, Choice, P2c, Pick, Selector};
use crate::context::mix;

/// How many points a node of the default weight has on the circle.
const POINTS: u32 = 10;

/// The weight that is one point.
const WEIGHT_OF_A_POINT: u32 = super::DEFAULT_WEIGHT / POINTS;

/// How many places on the circle a key is looked up at.
const PROBES: u64 = 11;

/// So many points are passed that belong to nodes which are not in use, before all nodes are looked at.
const PASSED: usize = 64;

/// A node with fewer calls in flight is never too busy for its keys.
const NEVER_TOO_MANY: u32 = 16;

/// Of a larger fleet so many nodes are asked how busy they are, to know how busy the fleet is.
const ASKED: usize = 64;

/// Calls with the same key go to the same node: consistent hashing.
///
/// The key is that of the call ([`Call::affinity`](crate::client::Call::affinity), or
/// [`Context::with_affinity`](crate::Context::with_affinity)). A call that has none is balanced by [`P2c`].
///
/// All clients agree where a key belongs, as long as they see the same nodes: it depends on the key and the ids of the
/// nodes alone. When a node goes, or is out of use, only its own keys move, to all the others; when one comes, it takes
/// its share from all of them and no other key moves. For keys to stay through a restart give the node an id that
/// stays ([`Service::id`](crate::Service::id)). Nodes get keys by their weight, in steps of 10.
///
/// A node that has more than twice its share of the calls in flight, and 16 of them or more, is passed over for the
/// next one, so that a key that everybody asks for does not drown its node; [`strict`](Self::strict) switches that off.
///
/// It is multi-probe consistent hashing (Ben Appleton and Michael O'Reilly, 2015, <https://arxiv.org/abs/1505.00062>),
/// which spreads keys better than a ring of many more points, with bounded loads (Vahab Mirrokni, Mikkel Thorup and
/// Morteza Zadimoghaddam, 2016, <https://arxiv.org/abs/1608.01350>). Picking takes a few binary searches in a table of
/// about ten entries for each node, which is made when nodes come or go.
#[derive(Clone, Copy, Debug)]
pub struct Hash {
    bounded: bool,
}

impl Hash {
    /// The selector.
    pub const fn new() -> Self {
        Self { bounded: true }
    }

    /// The same for keys that must not be elsewhere because their node is busy: shards, and not caches.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.bounded = false;
        self
    }
}

impl Default for Hash {
    fn default() -> Self {
        Self::new()
    }
}

impl Selector for Hash {
    fn name(&self) -> &'static str {
        "hash"
    }

    fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
        let Some(key) = choice.key() else { return P2c::new().pick(choice) };
        let circle = choice.prepared(|set, _| Circle::of(set));
        let owner = circle.find(key, choice, |candidate| choice.is_usable(candidate))?;
        if !self.bounded || owner.in_flight() < NEVER_TOO_MANY {
            return Some(choice.take(owner));
        }
        let load = OnceCell::new();
        let is_fine = |candidate: &Candidate| {
            let is_busy = || *load.get_or_init(|| Busy::of(choice.candidates()));
            candidate.in_flight() < NEVER_TOO_MANY || !is_busy().has_twice_its_share(candidate)
        };
        let next = circle.find(key, choice, |candidate| choice.is_usable(candidate) && is_fine(candidate));
        Some(choice.take(next.unwrap_or(owner)))
    }
}

/// The points of all nodes, in order, each with the place of its node in the list.
struct Circle(Box<[(u64, u32)]>);

impl Circle {
    fn of(set: &CandidateSet) -> Self {
        let mut points: Vec<(u64, u32)> = Vec::with_capacity(set.len() * POINTS as usize);
        for (place, candidate) in (0u32..).zip(set.iter()) {
            let count = u64::from((candidate.weight() / WEIGHT_OF_A_POINT).max(1));
            points.extend((1..=count).map(|point| (mix(candidate.hash() ^ mix(point)), place)));
        }
        points.sort_unstable();
        Self(points.into_boxed_slice())
    }

    /// The node that is nearest behind one of the places of the key, of those that are fine.
    fn find<'a>(
        &self,
        key: u64,
        choice: &Choice<'a>,
        is_fine: impl Fn(&Candidate) -> bool,
    ) -> Option<&'a Arc<Candidate>> {
        let candidates = choice.candidates();
        let mut nearest: Option<(u64, &Arc<Candidate>)> = None;
        for probe in 0..PROBES {
            let at = mix(key ^ mix(!probe));
            let (before, after) = self.0.split_at(self.0.partition_point(|(point, _)| *point < at));
            for (point, place) in after.iter().chain(before).take(PASSED) {
                let distance = point.wrapping_sub(at);
                if nearest.is_some_and(|(least, _)| least <= distance) {
                    break;
                }
                let candidate = candidates.get(*place as usize)?;
                if is_fine(candidate) {
                    nearest = Some((distance, candidate));
                    break;
                }
            }
        }
        if let Some((_, candidate)) = nearest {
            return Some(candidate);
        }
        // Hardly any is fine. Of those the one with the highest number for the key: rendezvous hashing.
        let fine = candidates.iter().filter(|candidate| is_fine(candidate));
        fine.max_by_key(|candidate| mix(candidate.hash() ^ key))
    }
}

/// How busy a fleet is.
#[derive(Clone, Copy)]
struct Busy {
    calls: u64,
    weight: u64,
}

impl Busy {
    fn of(set: &CandidateSet) -> Self {
        let every = set.len().div_ceil(ASKED).max(1);
        let add = |busy: Self, candidate: &Arc<Candidate>| Self {
            calls: busy.calls + u64::from(candidate.in_flight()) + 1,
            weight: busy.weight + u64::from(candidate.weight().max(1)),
        };
        set.iter().skip(fastrand::usize(..every)).step_by(every).fold(Self { calls: 0, weight: 0 }, add)
    }

    fn has_twice_its_share(self, candidate: &Candidate) -> bool {
        u64::from(candidate.in_flight()) * self.weight > 2 * self.calls * u64::from(candidate.weight().max(1))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::super::Outcome;
    use super::super::tests::{candidates, weighing};
    use super::*;

    fn owner(set: &CandidateSet, key: &str) -> String {
        let pick = Hash::new().pick(&set.choice().with_key(key)).unwrap();
        let id = pick.candidate().node().id.clone();
        pick.done(Outcome::Ok);
        id
    }

    #[test]
    fn where_a_key_belongs_does_not_change_with_versions_of_this_library() {
        let nodes = CandidateSet::new(candidates(5));
        let owners: Vec<_> = (0..6).map(|key| owner(&nodes, &format!("user-{key}"))).collect();
        assert_eq!(owners, ["a-0", "a-2", "a-1", "a-1", "a-1", "a-3"]);
    }

    #[test]
    fn keys_are_spread_by_weight() {
        let nodes = CandidateSet::new(weighing(&[100, 200, 100, 50, 100, 100, 100, 100, 100, 50]));
        const KEYS: u32 = 20_000;
        for key in 0..KEYS {
            owner(&nodes, &key.to_string());
        }
        for node in nodes.iter() {
            let fair = KEYS * node.weight() / 1000;
            let calls = node.calls();
            assert!(calls.abs_diff(fair) < fair / 5, "{}: {calls} of {fair}", node.node().id);
        }
    }

    #[test]
    fn a_key_that_everybody_asks_for_does_not_drown_its_node() {
        let nodes = CandidateSet::new(candidates(10));
        let pick = |hash: Hash| hash.pick(&nodes.choice().with_key("hot")).unwrap();
        let picks: Vec<_> = (0..300).map(|_| pick(Hash::new())).collect();
        let most = nodes.iter().map(|node| node.in_flight()).max();
        assert!(most <= Some(65), "{most:?} where 30 is the mean");
        drop(picks);
        let picks: Vec<_> = (0..300).map(|_| pick(Hash::new().strict())).collect();
        assert!(nodes.iter().any(|node| node.in_flight() == 300), "{}", picks.len());
    }

    #[test]
    fn a_call_without_a_key_is_balanced() {
        let nodes = CandidateSet::new(candidates(3));
        let picks: Vec<_> = (0..300).filter_map(|_| Hash::new().pick(&nodes.choice())).collect();
        assert!(nodes.iter().all(|node| node.in_flight() > 50), "{}", picks.len());
    }

    #[test]
    fn in_a_fleet_that_is_dead_but_for_one_node_that_one_is_found() {
        let nodes = CandidateSet::new(candidates(300));
        for node in nodes.iter().filter(|node| node.node().id != "a-123") {
            node.eject();
        }
        assert!((0..100).all(|key| owner(&nodes, &key.to_string()) == "a-123"));
    }

    proptest! {
        #[test]
        fn when_a_node_goes_only_its_own_keys_move(
            weights in btree_map("[a-z]{1,8}", 0u32..400, 2..20),
            gone in any::<prop::sample::Index>(),
            keys in vec("[a-z0-9]{0,12}", 1..60),
            out in any::<bool>(),
        ) {
            let nodes: Vec<_> = weights.iter().map(|(id, weight)| super::super::tests::weighs(id, *weight)).collect();
            let all = CandidateSet::new(nodes.clone());
            let before: Vec<_> = keys.iter().map(|key| owner(&all, key)).collect();
            let gone = gone.get(&nodes).clone();
            // It makes no difference whether it is no longer there, or out of use.
            let rest = if out {
                gone.eject();
                all
            } else {
                let rest: Vec<_> = nodes.into_iter().filter(|node| !Arc::ptr_eq(node, &gone)).collect();
                CandidateSet::after(rest, &all)
            };
            for (key, before) in keys.iter().zip(before) {
                let after = owner(&rest, key);
                prop_assert_ne!(&after, &gone.node().id);
                // Read from the right it is: a node that comes takes keys to itself only.
                prop_assert!(after == before || before == gone.node().id, "{key}: {before}, {after}");
            }
        }
    }
}

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Candidate, CandidateSet, Choice, Pick, Selector};

/// The nodes of a service in turn, each as often as its weight says.
///
/// Every client goes through the nodes of every service by itself, so neither other services nor other clients
/// make it skip one. When nodes come or go, it goes on with the node whose turn it would have been, or the one after
/// it. The turn of a node that is out of use is the next node's.
///
/// Weights are kept with gRPC's static stride scheduler
/// (<https://github.com/grpc/proposal/blob/master/A58-client-side-weighted-round-robin-lb-policy.md>), which spreads
/// the turns of a heavy node evenly between those of the others, as nginx's smooth weighted round robin does, and
/// takes no lock: one atomic counter is the whole state. Picking costs the same for three nodes and three thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin(());

impl RoundRobin {
    /// The selector.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Selector for RoundRobin {
    fn name(&self) -> &'static str {
        "round-robin"
    }

    fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
        let candidates = choice.candidates();
        let turns = choice.prepared(Turns::new);
        // Each node, and each a second time for those that pass turns on because of their weight.
        for _ in 0..candidates.len().saturating_mul(2) {
            let candidate = candidates.get(turns.next()?)?;
            if choice.takes(candidate) {
                return Some(choice.take(candidate));
            }
        }
        // All heavy ones are out of use, or all nodes are new.
        choice.usable_from(turns.peek()).map(|candidate| choice.take(candidate))
    }
}

/// Whose turn it is.
struct Turns {
    /// The turns that were taken or passed on: all nodes once, and again.
    taken: AtomicU64,
    /// The ids of the nodes, to go on when others have come or gone.
    nodes: Box<[Arc<Candidate>]>,
    /// The weights as parts of the largest one; `None` where all are the same.
    strides: Option<Box<[u16]>>,
}

/// The stride of the heaviest node, which never passes a turn on.
const LONGEST: u64 = u16::MAX as u64;

impl Turns {
    fn new(set: &CandidateSet, before: Option<&Self>) -> Self {
        let heaviest = set.iter().map(|candidate| candidate.weight()).max().unwrap_or(0).max(1);
        let stride = |candidate: &Arc<Candidate>| {
            let stride = u64::from(candidate.weight()) * LONGEST / u64::from(heaviest);
            // A node with any weight at all gets a turn now and then.
            u16::try_from(stride).unwrap_or(u16::MAX).max(u16::from(candidate.weight() > 0))
        };
        let strides = (!set.is_even()).then(|| set.iter().map(stride).collect());
        let taken = before.map_or(0, |before| before.in_terms_of(set));
        Self { taken: AtomicU64::new(taken), nodes: set.iter().cloned().collect(), strides }
    }

    /// The place of the node whose turn it is; `None` where there are no nodes.
    fn next(&self) -> Option<usize> {
        let count = self.nodes.len() as u64;
        for _ in 0..count.saturating_mul(2).max(2) {
            let taken = self.taken.fetch_add(1, Ordering::Relaxed);
            let (round, place) = (taken.checked_div(count)?, taken.checked_rem(count)?);
            let place_in_list = usize::try_from(place).ok()?;
            let Some(stride) = self.strides.as_ref().and_then(|strides| strides.get(place_in_list)) else {
                return Some(place_in_list);
            };
            let stride = u64::from(*stride);
            // Nodes of the same weight do not all have their turns in the same round.
            let offset = place.wrapping_mul(LONGEST / 2);
            if stride.wrapping_mul(round).wrapping_add(offset) % LONGEST >= LONGEST - stride {
                return Some(place_in_list);
            }
        }
        Some(self.peek())
    }

    fn peek(&self) -> usize {
        let taken = usize::try_from(self.taken.load(Ordering::Relaxed)).unwrap_or(0);
        taken.checked_rem(self.nodes.len()).unwrap_or(0)
    }

    /// What would have been taken of these nodes when the same turn has come. Both lists are sorted by id.
    fn in_terms_of(&self, set: &CandidateSet) -> u64 {
        let count = self.nodes.len() as u64;
        let round = self.taken.load(Ordering::Relaxed).checked_div(count).unwrap_or(0);
        let Some(next) = self.nodes.get(self.peek()) else { return 0 };
        let place = set.partition_point(|candidate| candidate.node().id < next.node().id);
        round.wrapping_mul(set.len() as u64).wrapping_add(place as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::super::Outcome;
    use super::super::tests::{candidate, candidates, weighing};
    use super::*;

    fn picks(set: &CandidateSet, count: usize) -> Vec<String> {
        let pick = |_| {
            let pick = RoundRobin::new().pick(&set.choice())?;
            let id = pick.candidate().node().id.clone();
            pick.done(Outcome::Ok);
            Some(id)
        };
        (0..count).filter_map(pick).collect()
    }

    #[test]
    fn each_node_has_its_turn_and_two_services_do_not_disturb_each_other() {
        let (one, other) = (CandidateSet::new(candidates(3)), CandidateSet::new(candidates(3)));
        for _ in 0..5 {
            for turn in ["a-0", "a-1", "a-2"] {
                assert_eq!((picks(&one, 1), picks(&other, 1)), (vec![turn.into()], vec![turn.into()]));
            }
        }
    }

    #[test]
    fn the_turns_of_a_heavy_node_are_spread() {
        let nodes = CandidateSet::new(weighing(&[100, 200, 100]));
        let picks = picks(&nodes, 400);
        let of = |id: &str| picks.iter().filter(|pick| *pick == id).count();
        assert!((199..=201).contains(&of("a-1")), "{}", of("a-1"));
        assert!((99..=101).contains(&of("a-0")), "{}", of("a-0"));
        let runs = picks.windows(3).filter(|run| run.iter().all(|pick| pick == "a-1")).count();
        assert_eq!(runs, 0, "{picks:?}");
    }

    #[test]
    fn the_turn_of_a_node_that_is_out_of_use_is_the_next_ones() {
        let nodes = CandidateSet::new(candidates(3));
        nodes[1].eject();
        assert_eq!(picks(&nodes, 4), ["a-0", "a-2", "a-0", "a-2"]);
    }

    proptest! {
        #[test]
        fn while_nodes_come_and_go_no_node_that_stays_is_skipped_or_has_two_turns_in_a_round(
            steps in vec((btree_set(10u32..40, 0..8), 1usize..12), 1..8),
        ) {
            // These two are always there.
            let stay = ["a-00", "a-99"];
            let mut set = CandidateSet::default();
            let mut all = Vec::new();
            for (others, count) in steps {
                let ids = others.iter().map(|id| format!("a-{id}")).chain(stay.map(String::from));
                let mut nodes: Vec<_> = ids.map(|id| candidate(&id)).collect();
                nodes.sort_by(|a, b| a.node().id.cmp(&b.node().id));
                set = CandidateSet::after(nodes, &set);
                all.extend(picks(&set, count));
            }
            let turns: Vec<_> = all.iter().filter(|id| stay.contains(&id.as_str())).collect();
            for pair in turns.windows(2) {
                prop_assert_ne!(pair[0], pair[1], "{:?}", all);
            }
        }

        #[test]
        fn turns_are_as_many_as_weights_say(weights in vec(1u32..=20, 1..12)) {
            let nodes = CandidateSet::new(weighing(&weights));
            let (total, heaviest) = (weights.iter().sum::<u32>(), *weights.iter().max().unwrap());
            let mut counts = BTreeMap::new();
            for id in picks(&nodes, 50 * total as usize) {
                *counts.entry(id).or_insert(0u32) += 1;
            }
            for (index, weight) in weights.iter().enumerate() {
                let count = counts.get(&format!("a-{index}")).copied().unwrap_or(0);
                // It is exact over many rounds; a stride is rounded down by a 65,535th.
                prop_assert!(count.abs_diff(50 * weight) <= 2 + weight / 4, "{index}: {count} for {weight} of {heaviest}");
            }
        }
    }
}

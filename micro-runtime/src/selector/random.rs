use std::sync::Arc;

use super::{Candidate, CandidateSet, Choice, Pick, Selector};

/// How often chance gets to find a node that is in use.
const TRIES: usize = 16;

/// Picks any node, each as often as its weight says. go-micro's default.
///
/// Where all nodes have the same weight, picking costs the same for three nodes and three thousand; where they have
/// not, a binary search is added.
#[derive(Clone, Copy, Debug, Default)]
pub struct Random(());

impl Random {
    /// The selector.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Selector for Random {
    fn name(&self) -> &'static str {
        "random"
    }

    fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
        let candidates = choice.candidates();
        let count = candidates.len();
        if count == 0 {
            return None;
        }
        let by_weight = (!candidates.is_even()).then(|| choice.prepared(|set, _| Sums::of(set)));
        let draw = || match by_weight {
            Some(sums) => sums.draw(),
            None => fastrand::usize(..count),
        };
        let found =
            (0..TRIES).find_map(|_| candidates.get(draw()).filter(|candidate| choice.takes(candidate)));
        found.or_else(|| choice.usable_from(draw())).map(|candidate| choice.take(candidate))
    }
}

/// The weights, added up from the first node to each.
struct Sums(Vec<u64>);

impl Sums {
    fn of(set: &CandidateSet) -> Self {
        let add = |sum: &mut u64, candidate: &Arc<Candidate>| {
            *sum += u64::from(candidate.weight());
            Some(*sum)
        };
        Self(set.iter().scan(0, add).collect())
    }

    fn draw(&self) -> usize {
        // Weights differ, so that not all of them are zero.
        let drawn = fastrand::u64(..self.0.last().copied().unwrap_or(1).max(1));
        self.0.partition_point(|sum| *sum <= drawn)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candidates, weighing};
    use super::*;

    #[test]
    fn every_node_gets_its_share() {
        let nodes = CandidateSet::new(candidates(4));
        let picks: Vec<_> = (0..4000).filter_map(|_| Random::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 4000);
        for node in nodes.iter() {
            assert!((800..1200).contains(&node.in_flight()), "{}", node.in_flight());
        }
    }

    #[test]
    fn a_share_is_what_the_weight_says() {
        let nodes = CandidateSet::new(weighing(&[300, 0, 100]));
        let picks: Vec<_> = (0..4000).filter_map(|_| Random::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 4000);
        assert!((2800..3200).contains(&nodes[0].in_flight()), "{}", nodes[0].in_flight());
        assert_eq!(nodes[1].in_flight(), 0);
    }
}

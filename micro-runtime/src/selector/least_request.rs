use std::sync::Arc;

use super::{Candidate, Choice, Pick, Selector};

/// Of so many nodes all are looked at.
const FEW: usize = 16;

/// Of more nodes so many are, by chance.
const LOOKED_AT: usize = 5;

/// The node with the fewest calls of this client in flight, for its weight.
///
/// Of up to 16 nodes it is the best of all, and of more the best of five that are drawn (gRPC's proposal A48 draws two
/// unless told otherwise, and ten at the most), so picking costs about the same for 16 nodes and three thousand.
/// Unlike [`P2c`](super::P2c) it does not look at how fast nodes answer, which is right where calls differ more than
/// nodes do: long streams, for example.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastRequest(());

impl LeastRequest {
    /// The selector.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Selector for LeastRequest {
    fn name(&self) -> &'static str {
        "least-request"
    }

    fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
        let candidates = choice.candidates();
        let count = candidates.len();
        if count == 0 {
            return None;
        }
        // Idle nodes are alike, and the first one of them is another one each time.
        let start = fastrand::usize(..count);
        let best = if count <= FEW {
            let (before, after) = candidates.split_at(start);
            least(after.iter().chain(before), choice)
        } else {
            let drawn = (0..LOOKED_AT).filter_map(|_| candidates.get(fastrand::usize(..count)));
            least(drawn, choice)
        };
        best.or_else(|| choice.usable_from(start)).map(|candidate| choice.take(candidate))
    }
}

fn least<'a>(
    candidates: impl Iterator<Item = &'a Arc<Candidate>>,
    choice: &Choice<'_>,
) -> Option<&'a Arc<Candidate>> {
    let mut best: Option<(&Arc<Candidate>, u64)> = None;
    for candidate in candidates.filter(|candidate| choice.takes(candidate)) {
        let calls = u64::from(candidate.in_flight()) + 1;
        // a / x < b / y, without a division.
        let is_less = best.is_none_or(|(best, least)| {
            calls * u64::from(best.weight().max(1)) < least * u64::from(candidate.weight().max(1))
        });
        if is_less {
            best = Some((candidate, calls));
        }
    }
    best.map(|(candidate, _)| candidate)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candidates, weighing};
    use super::super::{CandidateSet, Outcome};
    use super::*;

    #[test]
    fn calls_that_stay_are_spread_exactly_over_a_few_nodes() {
        let nodes = CandidateSet::new(candidates(7));
        let picks: Vec<_> = (0..700).filter_map(|_| LeastRequest::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 700);
        assert!(nodes.iter().all(|node| node.in_flight() == 100));
    }

    #[test]
    fn calls_that_stay_are_spread_by_weight() {
        let nodes = CandidateSet::new(weighing(&[100, 300, 200]));
        let picks: Vec<_> = (0..600).filter_map(|_| LeastRequest::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 600);
        assert_eq!(nodes.iter().map(|node| node.in_flight()).collect::<Vec<_>>(), [100, 300, 200]);
    }

    #[test]
    fn in_a_large_fleet_no_node_is_far_from_the_mean() {
        let nodes = CandidateSet::new(candidates(500));
        let picks: Vec<_> = (0..10_000).filter_map(|_| LeastRequest::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 10_000);
        let most = nodes.iter().map(|node| node.in_flight()).max();
        assert!(most <= Some(24), "{most:?} where 20 is the mean");
    }

    #[test]
    fn idle_nodes_are_picked_alike() {
        let nodes = CandidateSet::new(candidates(4));
        for _ in 0..2000 {
            LeastRequest::new().pick(&nodes.choice()).unwrap().done(Outcome::Ok);
        }
        assert!(nodes.iter().all(|node| (380..620).contains(&node.calls())));
    }
}

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Candidate, Pick, Selector};

/// A node that lost every comparison for this long is picked once, to see how it does now.
const FORGOTTEN: Duration = Duration::from_secs(3);

/// The better of two random nodes: the power of two choices. The default.
///
/// What it compares is the [cost](Candidate::cost) of a node: its latency, as a peak-sensitive
/// moving average, times its calls in flight. Choosing among two and not all keeps a crowd of
/// clients from running to the same best node, and costs the same for three nodes and three
/// thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct P2c(());

impl P2c {
    /// The selector.
    pub const fn new() -> Self {
        Self(())
    }
}

impl Selector for P2c {
    fn name(&self) -> &'static str {
        "p2c"
    }

    fn pick(&self, candidates: &[Arc<Candidate>]) -> Option<Pick> {
        let (one, other) = match candidates {
            [] => return None,
            [only] => return Some(Pick::new(only)),
            [one, other] => (one, other),
            many => {
                let first = fastrand::usize(..many.len());
                // Any but the first.
                let second = (first + fastrand::usize(1..many.len())) % many.len();
                (many.get(first)?, many.get(second)?)
            }
        };
        let now = Instant::now();
        let (costs, other_costs) = (one.cost(now), other.cost(now));
        // Equal ones, idle ones for example, take turns by chance.
        let one_wins = costs < other_costs || (costs == other_costs && fastrand::bool());
        let (winner, loser) = if one_wins { (one, other) } else { (other, one) };
        let picked = if loser.claim_if_idle(now, FORGOTTEN) { loser } else { winner };
        Some(Pick::at(picked, now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::tests::candidates;
    use super::*;

    fn measured(candidate: &Arc<Candidate>, latency: Duration) {
        Pick::new(candidate).report(Outcome::Ok, latency);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_node_is_left_alone_until_the_fast_ones_are_as_busy() {
        let nodes = candidates(2);
        measured(&nodes[0], Duration::from_millis(1));
        measured(&nodes[1], Duration::from_millis(10));
        let picks: Vec<_> = (0..100).filter_map(|_| P2c::new().pick(&nodes)).collect();
        assert_eq!(picks.len(), 100);
        let slow = nodes[1].in_flight();
        assert!((5..15).contains(&slow), "{slow} of 100 for the node that is ten times as slow");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_was_not_picked_for_three_seconds_is_picked_once() {
        let nodes = candidates(2);
        measured(&nodes[0], Duration::from_millis(1));
        measured(&nodes[1], Duration::from_secs(1));
        let pick = || {
            let pick = P2c::new().pick(&nodes)?;
            let id = pick.candidate().node().id.clone();
            pick.done(Outcome::Ok);
            Some(id)
        };
        let slow = |picks: u32| (0..picks).filter_map(|_| pick()).filter(|id| id == "a-1").count();
        assert_eq!(slow(100), 0);
        tokio::time::advance(FORGOTTEN).await;
        assert_eq!(slow(100), 1);
        assert_eq!(slow(100), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn idle_nodes_are_picked_alike() {
        let nodes = candidates(5);
        let picks: Vec<_> = (0..1000).filter_map(|_| P2c::new().pick(&nodes)).collect();
        assert_eq!(picks.len(), 1000);
        for node in &nodes {
            assert!((120..280).contains(&node.in_flight()), "{}", node.in_flight());
        }
    }
}

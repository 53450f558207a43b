use std::sync::Arc;
use std::time::Duration;

use super::{Candidate, Choice, Pick, Selector};

/// A node that lost every comparison for this long is picked once, to see how it does now.
const FORGOTTEN: Duration = Duration::from_secs(3);

/// How often chance gets to find a node that is in use. With half of a fleet dead it fails once in 65,536 times.
const TRIES: usize = 16;

/// The better of two random nodes: the power of two choices. The default.
///
/// What it compares is the [cost](Candidate::cost) of a node: its latency, as a peak-sensitive
/// moving average, times its calls in flight. Choosing among two and not all keeps a crowd of
/// clients from running to the same best node, and costs the same for three nodes and three
/// thousand.
///
/// A node with twice the [weight](Candidate::weight) costs half: where nodes are busy it has twice as many calls in
/// flight. While they are idle, a call goes to the one of the two that is faster for its weight.
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

    fn pick(&self, choice: &Choice<'_>) -> Option<Pick> {
        let (one, other) = match two(choice) {
            (Some(one), Some(other)) => (one, other),
            (one, other) => return one.or(other).map(|only| choice.take(only)),
        };
        let now = choice.now();
        let (costs, other_costs) = (one.cost(now), other.cost(now));
        // Equal ones, idle ones for example, take turns by chance.
        let one_wins = costs < other_costs || (costs == other_costs && fastrand::bool());
        let (winner, loser) = if one_wins { (one, other) } else { (other, one) };
        let picked = if loser.claim_if_idle(now, FORGOTTEN) { loser } else { winner };
        Some(choice.take(picked))
    }
}

/// Two nodes by chance that take the call, or one where there is no other.
fn two<'a>(choice: &Choice<'a>) -> (Option<&'a Arc<Candidate>>, Option<&'a Arc<Candidate>>) {
    let count = choice.candidates().len();
    if let [one, other] = &choice.candidates()[..] {
        let taken = (Some(one).filter(|one| choice.takes(one)), Some(other).filter(|one| choice.takes(one)));
        if taken.0.is_some() || taken.1.is_some() {
            return taken;
        }
        // Where both are new it is the better one as well.
        return (
            Some(one).filter(|one| choice.is_usable(one)),
            Some(other).filter(|other| choice.is_usable(other)),
        );
    }
    let Some((first, one)) = random(choice, None) else {
        let place = fastrand::usize(..count.max(1));
        return (choice.usable_from(place), None);
    };
    (Some(one), random(choice, Some(first)).map(|(_, other)| other))
}

/// A node by chance that takes the call and is not this one; `None` where luck fails, and there are few of them.
fn random<'a>(choice: &Choice<'a>, not: Option<usize>) -> Option<(usize, &'a Arc<Candidate>)> {
    let candidates = choice.candidates();
    let others = candidates.len().checked_sub(usize::from(not.is_some())).filter(|others| *others > 0)?;
    (0..TRIES).find_map(|_| {
        let place = fastrand::usize(..others);
        let place = place + usize::from(not.is_some_and(|not| place >= not));
        let candidate = candidates.get(place)?;
        choice.takes(candidate).then_some((place, candidate))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{candidates, weighing};
    use super::super::{CandidateSet, Outcome};
    use super::*;

    fn measured(candidate: &Arc<Candidate>, latency: Duration) {
        Pick::new(candidate).report(Outcome::Ok, latency);
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_node_is_left_alone_until_the_fast_ones_are_as_busy() {
        let nodes = CandidateSet::new(candidates(2));
        measured(&nodes[0], Duration::from_millis(1));
        measured(&nodes[1], Duration::from_millis(10));
        let picks: Vec<_> = (0..100).filter_map(|_| P2c::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 100);
        let slow = nodes[1].in_flight();
        assert!((5..15).contains(&slow), "{slow} of 100 for the node that is ten times as slow");
    }

    #[tokio::test(start_paused = true)]
    async fn a_node_that_was_not_picked_for_three_seconds_is_picked_once() {
        let nodes = CandidateSet::new(candidates(2));
        measured(&nodes[0], Duration::from_millis(1));
        measured(&nodes[1], Duration::from_secs(1));
        let pick = || {
            let pick = P2c::new().pick(&nodes.choice())?;
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
        let nodes = CandidateSet::new(candidates(5));
        let picks: Vec<_> = (0..1000).filter_map(|_| P2c::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 1000);
        for node in nodes.iter() {
            assert!((120..280).contains(&node.in_flight()), "{}", node.in_flight());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_nodes_are_busy_each_has_calls_by_its_weight() {
        let nodes = CandidateSet::new(weighing(&[100, 300]));
        nodes.iter().for_each(|node| measured(node, Duration::from_millis(1)));
        let picks: Vec<_> = (0..400).filter_map(|_| P2c::new().pick(&nodes.choice())).collect();
        assert_eq!(picks.len(), 400);
        let heavy = nodes[1].in_flight();
        assert!((295..=305).contains(&heavy), "{heavy} of 400 for three quarters of the weight");
    }

    #[tokio::test(start_paused = true)]
    async fn in_a_fleet_that_is_dead_but_for_one_node_that_one_is_found() {
        let nodes = CandidateSet::new(candidates(300));
        for node in nodes.iter().filter(|node| node.node().id != "a-123") {
            node.eject();
        }
        for _ in 0..100 {
            let pick = P2c::new().pick(&nodes.choice()).unwrap();
            assert_eq!(pick.candidate().node().id, "a-123");
        }
    }
}

use std::sync::Arc;

use super::{Candidate, Pick, Selector};

/// Picks any node, each as likely as the other. go-micro's default.
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

    fn pick(&self, candidates: &[Arc<Candidate>]) -> Option<Pick> {
        match candidates {
            [] => None,
            [only] => Some(Pick::new(only)),
            many => many.get(fastrand::usize(..many.len())).map(Pick::new),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::candidates;
    use super::*;

    #[test]
    fn every_node_gets_its_share() {
        let nodes = candidates(4);
        let picks: Vec<_> = (0..4000).filter_map(|_| Random::new().pick(&nodes)).collect();
        assert_eq!(picks.len(), 4000);
        for node in &nodes {
            assert!((800..1200).contains(&node.in_flight()), "{}", node.in_flight());
        }
    }
}

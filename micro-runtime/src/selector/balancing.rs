use std::num::NonZeroU64;
use std::sync::Arc;

use tokio::time::Instant;

use super::choice::Policy;
use super::{Candidate, CandidateSet, Choice, Fleet, Pick, Selector};

/// How often a selector is asked again that picked what it should not have.
const AGAIN: usize = 3;

/// How a client picks nodes.
#[derive(Debug)]
pub(crate) struct Balancing {
    pub(crate) selector: Arc<dyn Selector>,
    pub(crate) policy: Policy,
}

impl Balancing {
    /// Picks a node that is in use and not excluded; `None` where there is none. Who knows what time it is `now` saves
    /// a look at the clock.
    pub(crate) fn pick(
        &self,
        fleet: &Fleet,
        key: Option<NonZeroU64>,
        excluded: Option<&dyn Fn(&Candidate) -> bool>,
        now: Option<Instant>,
    ) -> Option<Pick> {
        for tier in fleet.tiers(key) {
            let choice = self.choice(&tier.set, key, excluded).within(fleet.everyone()).at(now);
            if tier.yields && tier.set.is_half_out(|node| node.is_plain() || choice.is_in_use(node)) {
                continue;
            }
            if let Some(pick) = self.choose(&choice) {
                return Some(pick);
            }
        }
        self.choose(&self.choice(fleet.everyone(), key, excluded).at(now))
    }

    /// Picks one of these nodes, be it in use or not.
    pub(crate) fn pick_any(&self, nodes: Vec<Arc<Candidate>>, key: Option<NonZeroU64>) -> Option<Pick> {
        let set = CandidateSet::new(nodes);
        self.selector.pick(&self.choice(&set, key, None).of_anyone())
    }

    fn choice<'a>(
        &'a self,
        set: &'a CandidateSet,
        key: Option<NonZeroU64>,
        excluded: Option<&'a dyn Fn(&Candidate) -> bool>,
    ) -> Choice<'a> {
        let choice = set.choice().keyed(key).under(&self.policy);
        match excluded {
            Some(excluded) => choice.without(excluded),
            None => choice,
        }
    }

    fn choose(&self, choice: &Choice<'_>) -> Option<Pick> {
        for _ in 0..AGAIN {
            let pick = self.selector.pick(choice)?;
            // Two calls may pick a node at the same moment to see how it does, and a selector of somebody else may
            // not look at what is usable.
            if pick.is_admitted() && !choice.is_excluded(pick.candidate()) {
                return Some(pick);
            }
            pick.withdraw();
        }
        let pick = choice.take(choice.usable_from(fastrand::usize(..choice.candidates().len().max(1)))?);
        if pick.is_admitted() {
            return Some(pick);
        }
        pick.withdraw();
        None
    }
}

#[cfg(test)]
mod tests;

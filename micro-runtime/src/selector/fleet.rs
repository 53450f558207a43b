use std::num::NonZeroU64;
use std::sync::Arc;

use super::choice::Policy;
use super::{Candidate, CandidateSet, Choice, Filter, Pick, Selector};
use crate::context::mix;
use crate::error::Error;

/// How often a selector is asked again that picked what it should not have.
const AGAIN: usize = 3;

/// The nodes that a client's calls to one service go to: all that are as it wants them, and narrower lists that it
/// prefers. It is made when the nodes change, and not for each call.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    everyone: CandidateSet,
    /// None where nothing is narrower than all of them; one where calls are not split.
    shares: Vec<Share>,
    /// Why there is no node.
    refusal: Option<String>,
}

/// The part of a split that one version has.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) version: Option<Filter>,
    /// The shares up to this one, added up.
    pub(super) upto: u32,
    /// The narrowest first.
    pub(super) tiers: Vec<Tier>,
}

/// Nodes that are preferred.
#[derive(Debug)]
pub(super) struct Tier {
    /// What makes it the same tier when the nodes change.
    pub(super) kind: usize,
    pub(super) set: CandidateSet,
    /// Whether calls go to a wider one when more than half of its nodes are out of use.
    pub(super) yields: bool,
}

impl Fleet {
    pub(super) fn new(everyone: CandidateSet, shares: Vec<Share>, refusal: Option<String>) -> Self {
        Self { everyone, shares, refusal }
    }

    /// These nodes, and nothing else.
    pub(crate) fn of(nodes: Vec<Arc<Candidate>>) -> Self {
        Self { everyone: CandidateSet::new(nodes), ..Self::default() }
    }

    /// All nodes that calls may go to.
    pub(crate) fn everyone(&self) -> &CandidateSet {
        &self.everyone
    }

    /// Why there is no node as the call wants it, where there are others.
    pub(crate) fn refusal(&self) -> Option<Error> {
        self.refusal.as_ref().map(|refusal| Error::unavailable(refusal.clone()).never_processed())
    }

    pub(super) fn share(&self, version: Option<&Filter>) -> Option<&Share> {
        self.shares.iter().find(|share| share.version.as_ref() == version)
    }

    /// The share that a call is in; those with the same key are in the same one.
    fn draw(&self, key: Option<NonZeroU64>) -> usize {
        let sum = self.shares.last().map_or(1, |share| share.upto).max(1);
        let drawn = match key {
            // Mixed again: which version it is has nothing to do with which node.
            Some(key) => u32::try_from(mix(key.get()) % u64::from(sum)).unwrap_or(0),
            None if self.shares.len() < 2 => 0,
            None => fastrand::u32(..sum),
        };
        self.shares.partition_point(|share| share.upto <= drawn)
    }
}

/// How a client picks nodes.
#[derive(Debug)]
pub(crate) struct Balancing {
    pub(crate) selector: Arc<dyn Selector>,
    pub(crate) policy: Policy,
}

impl Balancing {
    /// Picks a node that is in use and not excluded; `None` where there is none.
    pub(crate) fn pick(
        &self,
        fleet: &Fleet,
        key: Option<NonZeroU64>,
        excluded: Option<&dyn Fn(&Candidate) -> bool>,
    ) -> Option<Pick> {
        if !fleet.shares.is_empty() {
            let (before, after) = fleet.shares.split_at_checked(fleet.draw(key))?;
            for tier in after.iter().chain(before).flat_map(|share| &share.tiers) {
                let choice = self.choice(&tier.set, key, excluded);
                if tier.yields && tier.set.is_half_out(|node| node.is_plain() || choice.is_in_use(node)) {
                    continue;
                }
                if let Some(pick) = self.choose(&choice) {
                    return Some(pick);
                }
            }
        }
        self.choose(&self.choice(&fleet.everyone, key, excluded))
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

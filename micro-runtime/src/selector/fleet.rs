use std::num::NonZeroU64;
use std::sync::Arc;

use super::{Candidate, CandidateSet, Filter};
use crate::context::mix;
use crate::error::Error;

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

    /// The lists that a call goes to, one after the other until there is a node: those of its share, and then those
    /// of the other shares. All nodes stand behind them.
    pub(super) fn tiers(&self, key: Option<NonZeroU64>) -> impl Iterator<Item = &Tier> {
        let (before, after) = self.shares.split_at_checked(self.draw(key)).unwrap_or_default();
        after.iter().chain(before).flat_map(|share| &share.tiers)
    }

    /// The share that a call is in; those with the same key are in the same one.
    fn draw(&self, key: Option<NonZeroU64>) -> usize {
        if self.shares.is_empty() {
            return 0;
        }
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

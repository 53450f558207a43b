use std::collections::BTreeMap;
use std::sync::Arc;

use super::fleet::{Fleet, Share, Tier};
use super::split::Split;
use super::{Candidate, CandidateSet, Filter};
use crate::context::mix;

/// The name of a node's zone in its metadata.
pub const ZONE: &str = "zone";

/// So many kinds of nodes are listed in the error of a call that finds none as it wants.
const LISTED: usize = 10;

/// What a client decides about which nodes its calls go to, before one is picked.
#[derive(Clone, Debug)]
pub(crate) struct Narrowing {
    pub(crate) filters: Vec<Filter>,
    /// Where the client is; nodes there are preferred.
    pub(crate) zone: Option<String>,
    /// How many nodes the client uses at most.
    pub(crate) subset: Option<usize>,
    /// Another one for each client, so that each has other nodes.
    pub(crate) seed: u64,
    pub(crate) split: Split,
}

impl Default for Narrowing {
    fn default() -> Self {
        let seed = fastrand::u64(..);
        Self { filters: Vec::new(), zone: None, subset: None, seed, split: Split::default() }
    }
}

type Nodes = Vec<Arc<Candidate>>;

impl Narrowing {
    /// The fleet of a service: what there is of `nodes` for calls that also want this. It comes after `before`,
    /// which was made of the same.
    pub(crate) fn fleet(&self, nodes: &[Arc<Candidate>], wanted: &[Filter], before: Option<&Fleet>) -> Fleet {
        let mut all: Nodes = nodes.iter().filter(|node| node.weight() > 0).cloned().collect();
        if all.is_empty() {
            all = nodes.to_vec();
        }
        let (strict, wishes): (Vec<_>, Vec<_>) =
            self.filters.iter().chain(wanted).partition(|filter| filter.is_strict());
        let fits = |node: &Arc<Candidate>| strict.iter().all(|filter| filter.matches(node));
        let everyone: Nodes = all.iter().filter(|node| fits(node)).cloned().collect();
        let refusal = (everyone.is_empty() && !all.is_empty()).then(|| nothing(&strict, &all));
        let shares = if everyone.is_empty() { Vec::new() } else { self.shares(&everyone, &wishes, before) };
        let everyone = match before {
            Some(before) => CandidateSet::after(everyone, before.everyone()),
            None => CandidateSet::new(everyone),
        };
        Fleet::new(everyone, shares, refusal)
    }

    fn shares(&self, everyone: &Nodes, wishes: &[&Filter], before: Option<&Fleet>) -> Vec<Share> {
        let share = |version: Option<&Filter>, nodes: Nodes, upto: u32| {
            let before = before.and_then(|before| before.share(version));
            let tiers = self.tiers(nodes, version.is_some(), wishes, before);
            Share { version: version.cloned(), upto, tiers }
        };
        let mut shares = Vec::new();
        let mut sum = 0u32;
        for (version, share_of) in self.split.shares() {
            let nodes: Nodes = everyone.iter().filter(|node| version.matches(node)).cloned().collect();
            // What is for a version that nobody runs is for the others.
            if !nodes.is_empty() {
                sum = sum.saturating_add(*share_of);
                shares.push(share(Some(version), nodes, sum));
            }
        }
        if shares.is_empty() {
            shares.push(share(None, everyone.clone(), 1));
            shares.retain(|share| !share.tiers.is_empty());
        }
        shares
    }

    /// The narrower lists, the narrowest first.
    fn tiers(&self, nodes: Nodes, split: bool, wishes: &[&Filter], before: Option<&Share>) -> Vec<Tier> {
        // What a tier is for, its nodes, and whether it yields when half of them are out of use.
        let mut lists = vec![(0, nodes, false)];
        let narrow = |lists: &mut Vec<(usize, Nodes, bool)>, (kind, yields), filter: &Filter| {
            let Some((_, widest, _)) = lists.last() else { return };
            let fitting: Nodes = widest.iter().filter(|node| filter.matches(node)).cloned().collect();
            if !fitting.is_empty() && fitting.len() < widest.len() {
                lists.push((kind, fitting, yields));
            }
        };
        for (kind, wish) in (1..).zip(wishes) {
            narrow(&mut lists, (kind, false), wish);
        }
        if let Some(zone) = &self.zone {
            narrow(&mut lists, (usize::MAX, true), &Filter::label(ZONE, zone));
        }
        let tier = |(kind, nodes, yields): (usize, Nodes, bool)| {
            let count = nodes.len();
            let nodes = self.subset_of(nodes);
            // All nodes there are stand behind the tiers anyway.
            if kind == 0 && !split && nodes.len() == count {
                return None;
            }
            let yields = yields || nodes.len() < count;
            let before = before.and_then(|before| before.tiers.iter().find(|tier| tier.kind == kind));
            let set = match before {
                Some(before) => CandidateSet::after(nodes, &before.set),
                None => CandidateSet::new(nodes),
            };
            Some(Tier { kind, set, yields })
        };
        lists.into_iter().rev().filter_map(tier).collect()
    }

    /// As many of the nodes as the client uses: those with the highest numbers for it, which is rendezvous hashing.
    /// When a node comes or goes, one of them changes at the most. Each node has about as many clients as the others
    /// (random subsetting, gRPC's proposal A68).
    fn subset_of(&self, mut nodes: Nodes) -> Nodes {
        let Some(size) = self.subset.map(|size| size.max(1)).filter(|size| *size < nodes.len()) else {
            return nodes;
        };
        nodes.sort_by_cached_key(|node| std::cmp::Reverse(mix(node.hash() ^ self.seed)));
        nodes.truncate(size);
        nodes.sort_by(|one, other| one.node().id.cmp(&other.node().id));
        nodes
    }
}

/// Says what there is in place of what is wanted.
#[cold]
fn nothing(strict: &[&Filter], all: &Nodes) -> String {
    let mut kinds = BTreeMap::new();
    for node in all {
        let found: Vec<_> = strict.iter().map(|filter| filter.found(node)).collect();
        *kinds.entry(found.join(", ")).or_insert(0usize) += 1;
    }
    let mut there: Vec<_> =
        kinds.iter().take(LISTED).map(|(kind, count)| format!("{count} with {kind}")).collect();
    if kinds.len() > LISTED {
        there.push(format!("{} other kinds", kinds.len() - LISTED));
    }
    let wanted: Vec<_> = strict.iter().map(ToString::to_string).collect();
    let service = all.first().map_or("", |node| node.registration().service.as_str());
    format!(
        "no node of the service `{service}` is as the call wants it ({}); there are: {}. Start one, or let the filter \
         not be strict",
        wanted.join(", "),
        there.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::collection::{btree_set, vec};
    use proptest::prelude::*;

    use super::super::tests::{candidate, versions};
    use super::*;

    fn ids(nodes: &[Arc<Candidate>]) -> BTreeSet<String> {
        nodes.iter().map(|node| node.node().id.clone()).collect()
    }

    #[test]
    fn what_is_not_there_is_an_error_that_lists_what_is() {
        let narrowing = Narrowing { filters: vec![Filter::version("2*").strict()], ..Narrowing::default() };
        let nodes = versions(&["1.4", "1.5", "1.5"]);
        let fleet = narrowing.fleet(&nodes, &[Filter::label("rack", "b7").strict()], None);
        let error = fleet.refusal().unwrap();
        assert_eq!(
            error.message(),
            "no node of the service `a` is as the call wants it (version 2*, rack = b7); there are: 1 with version 1.4, \
             no rack; 2 with version 1.5, no rack. Start one, or let the filter not be strict"
        );
        assert!(error.was_never_processed());
    }

    #[test]
    fn nodes_without_weight_are_left_alone_while_there_are_others() {
        let nodes = super::super::tests::weighing(&[0, 100, 0]);
        let of = |nodes: &[Arc<Candidate>]| ids(Narrowing::default().fleet(nodes, &[], None).everyone());
        assert_eq!(of(&nodes), BTreeSet::from(["a-1".to_owned()]));
        assert_eq!(of(&nodes[..1]), BTreeSet::from(["a-0".to_owned()]));
    }

    proptest! {
        #[test]
        fn a_subset_changes_by_one_node_when_one_goes_and_is_sorted(
            names in btree_set("[a-z]{1,6}", 2..60),
            size in 1usize..20,
            seeds in vec(any::<u64>(), 1..4),
            gone in any::<prop::sample::Index>(),
        ) {
            let nodes: Nodes = names.iter().map(|name| candidate(name)).collect();
            for seed in seeds {
                let narrowing = Narrowing { subset: Some(size), seed, ..Narrowing::default() };
                let before = narrowing.subset_of(nodes.clone());
                prop_assert_eq!(before.len(), size.min(nodes.len()));
                prop_assert!(before.windows(2).all(|pair| pair[0].node().id < pair[1].node().id));
                let gone = &gone.get(&nodes).node().id;
                let rest = nodes.iter().filter(|node| node.node().id != *gone).cloned().collect();
                let (before, after) = (ids(&before), ids(&narrowing.subset_of(rest)));
                let left: Vec<_> = before.difference(&after).collect();
                prop_assert!(left.is_empty() || left == [gone], "{left:?}");
            }
        }
    }
}

//! Picking a node is on the path of every call: it allocates nothing, whatever the fleet is like.

#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::Arc;

use micro::registry::{Node, Registration};
use micro::selector::{Candidate, CandidateSet, NAMES, Outcome, by_name};

fn fleet(nodes: usize, uneven: bool) -> CandidateSet {
    let candidate = |index: usize| {
        let mut node = Node::new(format!("a-{index:05}"), format!("a-{index}:1"));
        if uneven {
            node.metadata.insert("weight".into(), (100 + index % 7).to_string());
        }
        Arc::new(Candidate::new(Arc::new(Registration::new("a", node))))
    };
    (0..nodes).map(candidate).collect()
}

#[test]
fn no_selector_allocates_to_pick_a_node() {
    for name in NAMES {
        let selector = by_name(name).unwrap();
        for (nodes, uneven, out) in [(3, false, 0), (3, true, 1), (3000, false, 0), (3000, true, 1500)] {
            let fleet = fleet(nodes, uneven);
            for candidate in fleet.iter().take(out) {
                candidate.eject();
            }
            let pick = || {
                let picked = selector.pick(&fleet.choice().with_key("ada")).unwrap();
                picked.done(Outcome::Ok);
            };
            // What the selector prepares for the nodes is made with the first one.
            pick();
            let allocated = allocation_counter::measure(|| (0..1000).for_each(|_| pick()));
            assert_eq!(allocated.count_total, 0, "{name}: {nodes} nodes, {out} of them out of use");
        }
    }
}

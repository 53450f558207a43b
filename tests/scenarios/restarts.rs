//! A fleet that is restarted, one node after the other, and a registry that dies, under load.

use micro::Context;

use crate::load::{Counts, Load};
use crate::node::WorkClient;
use crate::process::{Process, unique};
use crate::registry::Choice;
use crate::report::Outcome;

const NODES: usize = 3;

/// How many calls are made between one thing that happens and the next one.
const CALLS: usize = 300;

/// Each node is told to stop, ends, and has a successor, as a deployment does it.
pub(crate) async fn rolling(registry: Choice) -> Outcome {
    let (mut fleet, work) = fleet(&unique("rolling"), &registry).await;
    let load = Load::start(&work.1);
    load.goes_on(CALLS).await;
    for place in 0..NODES {
        fleet[place].terminate().await;
        assert!(fleet[place].ends().await, "a node that was told to stop ends well");
        fleet[place] = Process::start(&work.0, &registry).await;
        load.goes_on(CALLS).await;
    }
    let successors: Vec<_> = fleet.iter().map(Process::id).collect();
    takes(&work.1, successors[NODES - 1]).await;
    let counts = load.end().await;
    survived(&counts);
    // Each stream was on a node that stopped, at the latest with the third one.
    assert!(counts.moved > 0, "{counts:?}");
    let Counts { answered, moved, .. } = counts;
    Outcome::Ours(format!(
        "on {}: 0 of {answered} calls fail, {moved} times a stream moves to another node",
        registry.name()
    ))
}

/// Nodes, and the name and a client of their service that has called each of them.
async fn fleet(service: &str, registry: &Choice) -> (Vec<Process>, (String, WorkClient)) {
    let mut fleet = Vec::new();
    for _ in 0..NODES {
        fleet.push(Process::start(service, registry).await);
    }
    let work = WorkClient::with_name(&registry.client(), service);
    for node in &fleet {
        takes(&work, node.id()).await;
    }
    (fleet, (service.to_owned(), work))
}

/// Calls until this node takes one.
async fn takes(work: &WorkClient, node: u32) {
    while work.take(&Context::new(), ()).await.unwrap() != node {}
}

fn survived(counts: &Counts) {
    let Counts { answered, failed, first_error, .. } = counts;
    assert!(*failed == 0, "{failed} of {} fail, the first one with {first_error:?}", answered + failed);
}

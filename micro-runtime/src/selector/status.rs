use std::time::Duration;

use tokio::time::Instant;

use super::{Candidate, Reason};

/// How a node does, as one client sees it: for people, tools and metrics. See
/// [`Client::nodes`](crate::Client::nodes).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NodeStatus {
    /// The identity of the node.
    pub id: String,
    /// Where it listens.
    pub address: String,
    /// The version it runs.
    pub version: String,
    /// Where it is, if its metadata says so.
    pub zone: Option<String>,
    /// How much of the calls it takes, beside the others.
    pub weight: u32,
    /// Why it is out of use, and for how much longer; `None` while it is in use.
    pub out_of_use: Option<(Reason, Duration)>,
    /// How many calls of this process are at the node now.
    pub in_flight: u32,
    /// The latency to expect; zero where no call was measured.
    pub latency: Duration,
    /// How many calls of this process went to the node since it was first seen.
    pub calls: u32,
    /// How many of them failed.
    pub failures: u32,
    /// How often it was taken out of use.
    pub ejections: u32,
}

impl NodeStatus {
    /// How this node does now.
    pub fn of(candidate: &Candidate) -> Self {
        let node = candidate.node();
        Self {
            id: node.id.clone(),
            address: node.address.clone(),
            version: candidate.version().to_owned(),
            zone: candidate.label(super::ZONE).map(str::to_owned),
            weight: candidate.weight(),
            out_of_use: candidate.out_of_use(Instant::now()),
            in_flight: candidate.in_flight(),
            latency: candidate.latency(),
            calls: candidate.calls(),
            failures: candidate.failures(),
            ejections: candidate.ejections(),
        }
    }
}

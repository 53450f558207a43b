//! M6: a node whose check fails for a while.

use std::time::Duration;

use micro::registry::Discovery;
use micro::selector::Random;
use micro::{Client, Context};
use tokio::time::{Instant, sleep, timeout};

use crate::node::{CHECKED_EVERY, WorkClient};
use crate::process::{Process, unique};
use crate::registry::Choice;
use crate::report::Outcome;

/// How long callers may take to hear that a node is out, or in again.
const SPREADS: Duration = Duration::from_secs(20);

pub(crate) async fn for_a_while() -> Outcome {
    let (registry, service) = (Choice::from_environment(), unique("sick"));
    let mut node = Process::start(&service, &registry).await;
    let _other = Process::start(&service, &registry).await;
    let id = node.id();

    let discovery = Discovery::new(registry.open());
    let view = discovery.view(&service).unwrap();
    let known = async |nodes: usize| {
        let wait = view.until(|known| known.len() == nodes);
        timeout(SPREADS, wait).await.unwrap_or_else(|_| panic!("there are never {nodes} nodes"));
    };
    known(2).await;
    let client = Client::builder().discovery(discovery.clone()).selector(Random::new()).build();
    let work = WorkClient::with_name(&client, &service);
    let take = async || work.take(&Context::new(), ()).await.unwrap();
    while take().await != id {}

    node.tell("be sick").await;
    known(1).await;
    let (registered, deregistered) = counts(&mut node).await;
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < Duration::from_secs(2) {
        assert_ne!(take().await, id, "a sick node has a call");
        calls += 1;
        sleep(CHECKED_EVERY / 20).await;
    }
    let later = counts(&mut node).await;
    assert_eq!(later, (registered, deregistered), "it goes out once, and stays out");
    assert_eq!(deregistered, 1);

    node.tell("be well").await;
    known(2).await;
    while take().await != id {}
    Outcome::Ours(format!("once out and once in again; 0 of {calls} calls in between"))
}

/// How often a node has registered, and taken that back.
async fn counts(node: &mut Process) -> (u64, u64) {
    node.tell("count").await;
    (node.says("registered").await, node.says("deregistered").await)
}

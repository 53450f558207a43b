//! A fleet that is restarted, one node after the other, and a registry that dies, under load.

use std::time::Duration;

use micro::Context;
use tokio::time::sleep;

use crate::load::{Counts, Load};
use crate::node::WorkClient;
use crate::process::{Process, unique};
use crate::registry::Choice;
use crate::report::Outcome;
use crate::servers::{Kind, Server};

const NODES: usize = 3;

/// How many calls are made between one thing that happens and the next one.
const CALLS: usize = 300;

/// How long a node is known that is not renewed, in seconds, and how long a registry is away: longer, so that it is away
/// at the time when each node should have been renewed at the latest.
const TTL: u64 = 5;
const AWAY: Duration = Duration::from_secs(7);

/// Each node is told to stop, ends, and has a successor, as a deployment does it.
pub(crate) async fn rolling(registry: Choice) -> Outcome {
    let (mut fleet, work) = fleet(&unique("rolling"), &registry).await;
    let load = Load::start(&work.1);
    load.goes_on(CALLS).await;
    for node in &mut fleet {
        node.terminate().await;
        assert!(node.ends().await, "a node that was told to stop ends well");
        *node = Process::start(&work.0, &registry).await;
        takes(&work.1, node.id()).await;
        load.goes_on(CALLS).await;
    }
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

/// The same, on a server of its own.
pub(crate) async fn rolling_on(kind: Kind) -> Outcome {
    match server(kind).await {
        Ok((_server, registry)) => rolling(registry).await,
        Err(skipped) => skipped,
    }
}

/// The registry is killed, and comes back with its data or without it, while calls go on. A node that starts then is
/// found, and so are those that were there.
pub(crate) async fn registry_dies(kind: Kind) -> Outcome {
    let (mut server, registry) = match server(kind).await {
        Ok((server, registry)) => (server, registry.ttl(TTL)),
        Err(skipped) => return skipped,
    };
    let (mut fleet, (service, work)) = fleet(&unique("registry-dies"), &registry).await;
    let load = Load::start(&work);
    for wiped in [false, true] {
        load.goes_on(CALLS).await;
        server.kill();
        if wiped {
            server.wipe();
        }
        load.goes_on(CALLS).await;
        sleep(AWAY).await;
        server.restart().await;
        fleet.push(Process::start(&service, &registry).await);
        for node in &fleet {
            takes(&work, node.id()).await;
        }
    }
    let counts = load.end().await;
    survived(&counts);
    assert_eq!(counts.moved, 0, "no node stopped, so no stream ends: {counts:?}");
    Outcome::Ours(format!(
        "killed, restarted, and restarted without its data: 0 of {} calls fail, and new nodes are found",
        counts.answered
    ))
}

/// A server, and the registry that it is, where there is the program for it and the driver.
async fn server(kind: Kind) -> Result<(Server, Choice), Outcome> {
    let name = match kind {
        Kind::Etcd => "etcd",
        Kind::Nats | Kind::NatsWithoutJetStream => "nats",
        Kind::Consul => "consul",
        // It is no registry, which is then said.
        Kind::RabbitMq => "rabbitmq",
    };
    let Some(server) = Server::start(kind).await else {
        return Err(Outcome::Skipped(format!(
            "there is no {name}: run `ci/servers.sh cargo test --test scenarios`"
        )));
    };
    let choice = Choice::at(name, &server.address());
    match choice.check() {
        Ok(()) => Ok((server, choice)),
        Err(error) => Err(Outcome::Skipped(error.to_string())),
    }
}

fn survived(counts: &Counts) {
    let Counts { answered, failed, first_error, .. } = counts;
    assert!(*failed == 0, "{failed} of {} fail, the first one with {first_error:?}", answered + failed);
}

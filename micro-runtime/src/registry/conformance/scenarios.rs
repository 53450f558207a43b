//! What every registry has to do, one function each.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::sleep;

use super::follower::{Follower, Nodes};
use super::{Kit, LONG};
use crate::error::{Code, Error, Result};
use crate::registry::{EndpointRecord, Registration};

pub(super) async fn watched_before(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let mut node = kit.node(1);
    node.node.metadata.insert("Zone".into(), "größe = \"a\", b".into());
    node.metadata.insert("team".into(), "x".into());
    node.endpoints.push(EndpointRecord { name: "Greeter.Hello".into(), ..Default::default() });
    kit.register(&node).await?;
    watch.until("the node", |nodes| nodes.len() == 1).await?;
    let seen = watch.nodes.values().next().ok_or_else(|| Error::internal("the node went missing"))?;
    expect("the node as it was registered", &node.node, &seen.node)?;
    expect("its service", (&node.service, &node.version), (&seen.service, &seen.version))?;
    expect("its metadata", &node.metadata, &seen.metadata)?;
    kit.here.deregister(&node).await
}

pub(super) async fn watched_after(kit: &Kit) -> Result<()> {
    kit.register(&kit.node(1)).await?;
    let mut watch = kit.watch().await?;
    watch.answered().await?;
    expect("the nodes in the answer", 1, watch.nodes.len())?;
    let mut near = Follower::begin(&kit.here, &kit.service, kit.promises).await?;
    near.answered().await?;
    expect("the nodes in the answer on the side that registered", 1, near.nodes.len())?;
    kit.here.deregister(&kit.node(1)).await
}

pub(super) async fn watched_again(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    kit.register(&kit.node(1)).await?;
    watch.until("the node", |nodes| nodes.len() == 1).await?;
    drop(watch);
    kit.register(&kit.node(2)).await?;
    kit.here.deregister(&kit.node(1)).await?;
    let mut watch = kit.watch().await?;
    watch.until("what changed while nobody watched", |nodes| nodes.keys().eq(["node-2"])).await?;
    kit.here.deregister(&kit.node(2)).await?;
    watch.until("no node", BTreeMap::is_empty).await
}

pub(super) async fn nobody(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    watch.answered().await?;
    expect("the nodes in the answer", 0, watch.nodes.len())
}

pub(super) async fn leave(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    for node in [kit.node(1), kit.node(2)] {
        kit.register(&node).await?;
    }
    watch.until("both nodes", |nodes| nodes.len() == 2).await?;
    kit.here.deregister(&kit.node(1)).await?;
    watch.until("one node less", |nodes| nodes.keys().eq(["node-2"])).await?;
    kit.here.deregister(&kit.node(1)).await.map_err(|error| error.context("deregistering twice"))?;
    kit.register(&kit.node(1)).await?;
    watch.until("the node back again", |nodes| nodes.len() == 2).await?;
    // Only the id and the address are needed to take leave, as go-micro does it.
    for number in [1, 2] {
        kit.here.deregister(&kit.node(number)).await?;
    }
    watch.until("no node", BTreeMap::is_empty).await
}

pub(super) async fn replaced(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    for state in ["warm", "hot", "warm", "cold"] {
        let mut node = kit.node(1);
        node.node.metadata.insert("state".into(), state.into());
        kit.register(&node).await?;
        let wanted = |nodes: &Nodes| nodes.values().any(|node| label(node, "state") == Some(state));
        watch.until(state, wanted).await?;
    }
    kit.here.deregister(&kit.node(1)).await
}

pub(super) async fn successor(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let (old, mut new) = (kit.node(1), kit.node(1));
    new.node.address = "127.0.0.1:9".into();
    kit.register(&old).await?;
    watch.until("the node", |nodes| nodes.len() == 1).await?;
    kit.there.register(&new, LONG).await?;
    let moved = |nodes: &Nodes| nodes.values().any(|node| node.node.address == "127.0.0.1:9");
    watch.until("the successor", moved).await?;
    kit.here.deregister(&old).await?;
    // Another change after it shows that the leave has been heard.
    kit.register(&kit.node(2)).await?;
    watch.until("the other node and the successor", |nodes| nodes.len() == 2 && moved(nodes)).await?;
    kit.here.deregister(&kit.node(2)).await?;
    kit.there.deregister(&new).await?;
    watch.until("no node", BTreeMap::is_empty).await
}

pub(super) async fn expires(kit: &Kit) -> Result<()> {
    let Some(ttl) = kit.promises.shortest_ttl else { return Ok(()) };
    let mut watch = kit.watch().await?;
    kit.here.register(&kit.node(1), ttl).await?;
    kit.here.register(&kit.node(2), Duration::ZERO).await?;
    watch.until("both nodes", |nodes| nodes.len() == 2).await?;
    watch.until_within(ttl * 2, "only the node without an end", |nodes| nodes.keys().eq(["node-2"])).await?;
    kit.here.deregister(&kit.node(2)).await
}

pub(super) async fn renewed(kit: &Kit) -> Result<()> {
    let Some(ttl) = kit.promises.shortest_ttl else { return Ok(()) };
    // A machine that is busy for a moment is not to be taken for a node that is silent.
    let ttl = ttl.max(Duration::from_secs(2));
    let mut watch = kit.watch().await?;
    for _ in 0..8 {
        kit.here.register(&kit.node(1), ttl).await?;
        watch.until("the node", |nodes| nodes.len() == 1).await?;
        sleep(ttl / 4).await;
    }
    watch.drain()?;
    expect("how often the node was lost", 0, watch.losses)?;
    expect("nodes", 1, watch.nodes.len())?;
    kit.here.deregister(&kit.node(1)).await
}

pub(super) async fn versions(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let nodes = [(1, "1.0.0"), (2, "1.0.0"), (3, "2.0.0-rc.1+b7")].map(|(number, version)| {
        let mut node = kit.node(number);
        node.version = version.to_owned();
        node
    });
    for node in &nodes {
        kit.register(node).await?;
    }
    watch.until("three nodes", |nodes| nodes.len() == 3).await?;
    let mut versions: Vec<_> = watch.nodes.values().map(|node| node.version.clone()).collect();
    versions.sort();
    expect("the versions", vec!["1.0.0".to_owned(), "1.0.0".into(), "2.0.0-rc.1+b7".into()], versions)?;
    kit.deregister_all(&nodes).await
}

pub(super) async fn names(kit: &Kit) -> Result<()> {
    let base = &kit.service;
    let longest = format!("{base}{}", "x".repeat(200 - base.len()));
    let services = [
        base.clone(),
        base.to_lowercase(),
        base.to_uppercase(),
        format!("{base}.more"),
        format!("{base}-1"),
        format!("{base}_1"),
        longest,
    ];
    let nodes = services.map(|service| {
        // The same id in all of them: it is unique in a service, not in the world.
        let mut node = kit.node(1);
        node.node.metadata.insert("of".into(), service.clone());
        node.service = service;
        node
    });
    for node in &nodes {
        kit.register(node).await?;
    }
    for node in &nodes {
        let mut watch = Follower::begin(&kit.there, &node.service, kit.promises).await?;
        watch.until(&node.service, |nodes| nodes.len() == 1).await?;
        let of: Vec<_> = watch.nodes.values().filter_map(|node| label(node, "of")).collect();
        expect("the node of the service", vec![node.service.as_str()], of)?;
    }
    kit.deregister_all(&nodes).await
}

pub(super) async fn refused(kit: &Kit) -> Result<()> {
    let with = |change: &dyn Fn(&mut Registration)| {
        let mut node = kit.node(1);
        change(&mut node);
        node
    };
    let odd = [
        ("an empty name", with(&|node| node.service.clear())),
        ("a name with an umlaut", with(&|node| node.service = "grüße".into())),
        ("a name with a space", with(&|node| node.service.push_str(" x"))),
        ("a name with a slash", with(&|node| node.service.push_str("/x"))),
        ("a name of 201 bytes", with(&|node| node.service = "x".repeat(201))),
        ("an empty id", with(&|node| node.node.id.clear())),
        ("an empty address", with(&|node| node.node.address.clear())),
    ];
    for (what, node) in odd {
        match kit.here.register(&node, LONG).await {
            Ok(()) => return Err(Error::internal(format!("{what} was accepted"))),
            Err(error) => expect(what, Code::InvalidArgument, error.code())?,
        }
    }
    Ok(())
}

pub(super) async fn listed(kit: &Kit) -> Result<()> {
    let (mut first, mut second) = (kit.node(1), kit.node(2));
    first.version = "1".into();
    second.version = "2".into();
    let nodes = [first, second, kit.node(3)];
    for node in &nodes {
        kit.register(node).await?;
    }
    let mut watch = kit.watch().await?;
    watch.until("three nodes", |nodes| nodes.len() == 3).await?;
    for registry in [&kit.here, &kit.there] {
        let mut records = registry.services().await?;
        records.retain(|record| record.name == kit.service);
        let seen: Vec<_> =
            records.iter().map(|record| (record.version.as_str(), record.nodes.len())).collect();
        expect("the versions and how many nodes they have", vec![("1", 1), ("2", 1), ("latest", 1)], seen)?;
    }
    kit.deregister_all(&nodes).await
}

pub(super) async fn writers(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    let write = |number: u16| async move {
        let registry = if number.is_multiple_of(2) { &kit.here } else { &kit.there };
        let node = kit.node(number);
        for _ in 0..3 {
            registry.register(&node, LONG).await?;
        }
        // Every third one leaves.
        if number.is_multiple_of(3) { registry.deregister(&node).await } else { Ok(()) }
    };
    try_join_all((1..=12).map(write)).await?;
    let kept: Vec<u16> = (1..=12).filter(|number: &u16| !number.is_multiple_of(3)).collect();
    let mut ids: Vec<_> = kept.iter().map(|number| format!("node-{number}")).collect();
    ids.sort();
    watch.until("the nodes that stayed", |nodes| nodes.keys().eq(&ids)).await?;
    for number in kept {
        let registry = if number.is_multiple_of(2) { &kit.here } else { &kit.there };
        registry.deregister(&kit.node(number)).await?;
    }
    watch.until("no node", BTreeMap::is_empty).await
}

pub(super) async fn forty(kit: &Kit) -> Result<()> {
    let nodes: Vec<_> = (1..=40).map(|number| kit.node(number)).collect();
    let mut watch = kit.watch().await?;
    try_join_all(nodes.iter().map(|node| kit.register(node))).await?;
    watch.until("forty nodes", |nodes| nodes.len() == 40).await?;
    let mut late = kit.watch().await?;
    late.until("forty nodes in a later watch", |nodes| nodes.len() == 40).await?;
    kit.deregister_all(&nodes).await?;
    watch.until("no node", BTreeMap::is_empty).await?;
    late.until("no node in the later watch", BTreeMap::is_empty).await
}

pub(super) async fn slow_reader(kit: &Kit) -> Result<()> {
    let mut watch = kit.watch().await?;
    watch.answered().await?;
    for round in 0..300 {
        let mut node = kit.node(1);
        node.node.metadata.insert("round".into(), round.to_string());
        kit.register(&node).await?;
    }
    let newest = |nodes: &Nodes| nodes.values().any(|node| label(node, "round") == Some("299"));
    watch.until("the newest state", newest).await?;
    kit.here.deregister(&kit.node(1)).await?;
    watch.until("no node", BTreeMap::is_empty).await
}

fn label<'a>(node: &'a Registration, key: &str) -> Option<&'a str> {
    node.node.metadata.get(key).map(String::as_str)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, expected: T, seen: T) -> Result<()> {
    if expected == seen {
        return Ok(());
    }
    Err(Error::internal(format!("{what}: expected {expected:?} and saw {seen:?}")))
}

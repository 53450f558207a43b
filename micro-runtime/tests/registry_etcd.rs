//! The etcd driver, against an etcd.

#![cfg(feature = "etcd")]

mod servers;

use std::sync::Arc;
use std::time::Duration;

use micro_runtime::registry::conformance::{self, Promises};
use micro_runtime::registry::{Discovery, Etcd, Node, Registration, Registry, Snapshot};
use micro_runtime::{Code, Result};
use servers::{Breakable, Kind, Server};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

/// The shortest lease that etcd grants with its default settings is as long as one and a half elections.
const PROMISES: Promises = Promises {
    notice: Duration::from_secs(5),
    answer: Duration::from_secs(5),
    shortest_ttl: Some(Duration::from_secs(2)),
};

const TTL: Duration = Duration::from_secs(60);

fn maker(address: String) -> impl Fn() -> Arc<dyn Registry> {
    move || Arc::new(Etcd::parse(&address).expect("an address"))
}

fn node(address: &str) -> Registration {
    Registration::new(format!("etcd.{}", Uuid::new_v4().simple()), Node::new("a-1", address))
}

#[tokio::test]
async fn the_etcd_registry_conforms() -> Result<()> {
    let Some(address) = servers::running(Kind::Etcd) else { return Ok(()) };
    conformance::run(maker(address), PROMISES).await
}

#[tokio::test]
async fn the_etcd_registry_survives_its_server() -> Result<()> {
    let Some(server) = Server::start(Kind::Etcd).await else { return Ok(()) };
    let make = maker(server.address());
    conformance::run_with_faults(make, PROMISES, Arc::new(Breakable::new(server))).await
}

#[tokio::test]
async fn another_endpoint_is_used_where_one_is_not_reached() -> Result<()> {
    let Some(address) = servers::running(Kind::Etcd) else { return Ok(()) };
    let etcd = Etcd::new(["127.0.0.1:1", &address])?;
    let node = node("127.0.0.1:7000");
    etcd.register(&node, TTL).await?;
    let found = etcd.services().await?.into_iter().any(|record| record.name == node.service);
    assert!(found);
    etcd.deregister(&node).await
}

#[tokio::test]
async fn an_etcd_that_is_not_there_is_an_error_that_says_where_it_was_looked_for() -> Result<()> {
    let error = Etcd::new(["127.0.0.1:1"])?
        .register(&node("127.0.0.1:7000"), TTL)
        .await
        .expect_err("nobody is there");
    assert_eq!(error.code(), Code::Unavailable);
    for part in ["http://127.0.0.1:1", "refused", "MICRO_REGISTRY_ADDRESS"] {
        assert!(error.message().contains(part), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up() -> Result<()> {
    let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let etcd = Etcd::new([silent.local_addr().expect("an address").to_string()])?;
    let begun = Instant::now();
    let error = etcd.services().await.expect_err("nobody answers");
    assert_eq!(error.code(), Code::Unavailable);
    // It is the limit of the driver that ends it, and not that of the operating system.
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    Ok(())
}

#[tokio::test]
async fn a_node_that_is_renewed_leaves_its_successor_alone() -> Result<()> {
    let Some(address) = servers::running(Kind::Etcd) else { return Ok(()) };
    let (old, new) = (Etcd::parse(&address)?, Etcd::parse(&address)?);
    let before = node("127.0.0.1:1");
    let mut after = before.clone();
    after.node.address = "127.0.0.1:2".into();
    old.register(&before, TTL).await?;
    new.register(&after, TTL).await?;
    old.register(&before, TTL).await?;
    let discovery = Discovery::new(Arc::new(new.clone()));
    let view = discovery.view(&before.service)?;
    let moved = |nodes: &Snapshot| nodes.iter().any(|node| node.node().address == "127.0.0.1:2");
    timeout(Duration::from_secs(20), view.until(moved)).await.expect("the successor");
    new.deregister(&after).await
}

//! The Consul driver, against an agent of Consul.

#![cfg(feature = "consul")]

mod servers;

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use micro_runtime::registry::conformance::{self, Promises};
use micro_runtime::registry::{Change, Consul, Node, Registration, Registry};
use micro_runtime::{Code, Result};
use servers::{Breakable, Kind, Server};
use tokio::time::timeout;

const PROMISES: Promises = Promises {
    notice: Duration::from_secs(5),
    answer: Duration::from_secs(5),
    shortest_ttl: Some(Duration::from_secs(2)),
};

fn maker(address: String) -> impl Fn() -> Arc<dyn Registry> {
    move || Arc::new(Consul::new(&address).expect("an address"))
}

#[tokio::test]
async fn the_consul_registry_conforms() -> Result<()> {
    let Some(address) = servers::running(Kind::Consul) else { return Ok(()) };
    conformance::run(maker(address), PROMISES).await
}

#[tokio::test]
async fn the_consul_registry_survives_its_server() -> Result<()> {
    let Some(server) = Server::start(Kind::Consul).await else { return Ok(()) };
    let make = maker(server.address());
    conformance::run_with_faults(make, PROMISES, Arc::new(Breakable::new(server))).await
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_an_error_that_says_where_it_was_looked_for() -> Result<()> {
    let node = Registration::new("a", Node::new("a-1", "127.0.0.1:7000"));
    let consul = Consul::new("127.0.0.1:1")?;
    let error = consul.register(&node, Duration::from_secs(60)).await.expect_err("nobody is there");
    assert_eq!(error.code(), Code::Unavailable);
    for part in ["127.0.0.1:1", "refused", "MICRO_REGISTRY_ADDRESS"] {
        assert!(error.message().contains(part), "{error}");
    }
    assert!(consul.watch("a").await.is_err());
    Ok(())
}

#[tokio::test]
async fn a_watch_on_a_server_that_hangs_ends_and_asking_it_fails() -> Result<()> {
    let Some(server) = Server::start(Kind::Consul).await else { return Ok(()) };
    let registry = Consul::new(server.address())?;
    let mut watch = registry.watch("a").await?;
    assert!(matches!(watch.next().await, Some(Ok(Change::Snapshot(nodes))) if nodes.is_empty()));
    server.freeze();
    let end = timeout(Duration::from_secs(60), watch.next()).await.expect("it ends");
    assert_eq!(end.expect("an error").expect_err("it hangs").code(), Code::Unavailable);
    assert!(watch.next().await.is_none());
    let error = timeout(Duration::from_secs(60), registry.services()).await.expect("it ends");
    assert_eq!(error.expect_err("it hangs").code(), Code::Unavailable);
    Ok(())
}

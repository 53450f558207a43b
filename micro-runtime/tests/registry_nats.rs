//! The NATS driver, against a NATS server.

#![cfg(feature = "nats")]

mod servers;

use std::sync::Arc;
use std::time::Duration;

use micro_runtime::registry::conformance::{self, Promises};
use micro_runtime::registry::{Discovery, Nats, Node, Registration, Registry, View};
use micro_runtime::{Code, Error, Result};
use servers::{Breakable, Kind, Server};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use uuid::Uuid;

const TTL: Duration = Duration::from_secs(90);

fn service() -> String {
    format!("nats.{}", Uuid::new_v4().simple())
}

fn node(service: &str, number: u16) -> Registration {
    Registration::new(service, Node::new(format!("node-{number}"), format!("127.0.0.1:{}", 7000 + number)))
}

fn maker(address: String) -> impl Fn() -> Arc<dyn Registry> {
    move || Arc::new(Nats::parse(&address).expect("an address"))
}

#[tokio::test]
async fn the_nats_registry_conforms() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    conformance::run(maker(address), Promises::default()).await
}

#[tokio::test]
async fn the_nats_registry_survives_its_server() -> Result<()> {
    let Some(server) = Server::start(Kind::Nats).await else { return Ok(()) };
    let make = maker(server.address());
    conformance::run_with_faults(make, Promises::default(), Arc::new(Breakable::new(server))).await
}

/// Waits for so many nodes.
async fn nodes(view: &View, count: usize, within: Duration) -> Result<()> {
    let there = timeout(within, view.until(|nodes| nodes.len() == count)).await;
    there.map(drop).map_err(|_| {
        Error::deadline_exceeded(format!("{} nodes and not {count} after {within:?}", view.nodes().len()))
    })
}

#[tokio::test]
async fn a_server_that_is_killed_loses_no_node_and_new_ones_are_found_after_it_is_back() -> Result<()> {
    let Some(mut server) = Server::start(Kind::Nats).await else { return Ok(()) };
    let service = service();
    let (here, there) = (Nats::parse(&server.address())?, Nats::parse(&server.address())?);
    there.register(&node(&service, 1), TTL).await?;
    let discovery = Discovery::new(Arc::new(here));
    let view = discovery.view(&service)?;
    nodes(&view, 1, Duration::from_secs(5)).await?;

    server.kill();
    while !view.is_stale() {
        sleep(Duration::from_millis(20)).await;
    }
    let error = there.register(&node(&service, 2), TTL).await.expect_err("there is no server");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains(&server.address()), "{error}");
    assert_eq!(view.nodes().len(), 1);

    server.restart().await;
    let watched = async {
        while view.is_stale() {
            assert_eq!(view.nodes().len(), 1, "it was never lost");
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), watched).await.map_err(|_| Error::internal("it stays stale"))?;
    let renewed = async {
        while there.register(&node(&service, 2), TTL).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), renewed).await.map_err(|_| Error::internal("it is never renewed"))?;
    nodes(&view, 2, Duration::from_secs(5)).await?;
    // Who begins now is answered by a node that has not been renewed since.
    let fresh = Discovery::new(Arc::new(Nats::parse(&server.address())?));
    let other = fresh.view(&service)?;
    nodes(&other, 2, Duration::from_secs(5)).await?;
    there.deregister(&node(&service, 1)).await?;
    nodes(&view, 1, Duration::from_secs(2)).await
}

/// A way to a server, which can be blocked: what is connected is cut off, and so is who connects.
async fn way(server: String) -> Result<(String, watch::Sender<bool>)> {
    let broken = |error: std::io::Error| Error::internal("no way").with_source(error);
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(broken)?;
    let address = listener.local_addr().map_err(broken)?.to_string();
    let (block, blocked) = watch::channel(false);
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let (server, mut blocked) = (server.clone(), blocked.clone());
            tokio::spawn(async move {
                let carry = async {
                    let mut to = TcpStream::connect(server).await?;
                    copy_bidirectional(&mut from, &mut to).await
                };
                tokio::select! {
                    biased;
                    _ = blocked.wait_for(|blocked| *blocked) => {}
                    _ = carry => {}
                }
            });
        }
    });
    Ok((address, block))
}

#[tokio::test]
async fn a_node_that_was_taken_back_without_a_connection_is_gone_when_there_is_one_again() -> Result<()> {
    let Some(server) = servers::running(Kind::Nats) else { return Ok(()) };
    let service = service();
    let (address, blocked) = way(server.clone()).await?;
    let leaving = Nats::parse(&address)?;
    leaving.register(&node(&service, 1), TTL).await?;
    let discovery = Discovery::new(Arc::new(Nats::parse(&server)?));
    let view = discovery.view(&service)?;
    nodes(&view, 1, Duration::from_secs(5)).await?;

    blocked.send_replace(true);
    for _ in 0..2 {
        let error = leaving.deregister(&node(&service, 1)).await.expect_err("nobody can be told");
        assert_eq!(error.code(), Code::Unavailable, "{error}");
    }
    assert_eq!(view.nodes().len(), 1);
    blocked.send_replace(false);
    // Sooner than silence would tell.
    nodes(&view, 0, Duration::from_secs(8)).await?;
    leaving.deregister(&node(&service, 1)).await
}

#[tokio::test]
async fn a_node_whose_process_ends_without_a_word_is_gone_soon_after_it_is_suspected() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let service = service();
    // A process, as far as the network sees it: nothing of it runs when its runtime is gone.
    let process = Runtime::new().map_err(|error| Error::internal("no runtime").with_source(error))?;
    let (living, dying) = (Nats::parse(&address)?, Nats::parse(&address)?);
    living.register(&node(&service, 1), TTL).await?;
    let (registry, registration) = (dying.clone(), node(&service, 2));
    let registered = process.spawn(async move { registry.register(&registration, TTL).await });
    registered.await.map_err(|error| Error::internal("the process").with_source(error))??;

    let discovery = Discovery::new(Arc::new(Nats::parse(&address)?));
    let view = discovery.view(&service)?;
    nodes(&view, 2, Duration::from_secs(5)).await?;
    process.shutdown_background();
    let begin = Instant::now();
    view.suspect(&view.nodes()[1]);
    nodes(&view, 1, Duration::from_secs(5)).await?;
    println!("gone after {:?}", begin.elapsed());
    assert_eq!(view.nodes()[0].node().id, "node-1", "the one that lives stays");

    // The registry itself works on, on another runtime.
    dying.register(&node(&service, 2), TTL).await?;
    nodes(&view, 2, Duration::from_secs(5)).await?;
    dying.deregister(&node(&service, 2)).await?;
    living.deregister(&node(&service, 1)).await
}

#[tokio::test]
async fn a_registry_that_is_dropped_takes_its_nodes_along() -> Result<()> {
    let Some(address) = servers::running(Kind::Nats) else { return Ok(()) };
    let service = service();
    let discovery = Discovery::new(Arc::new(Nats::parse(&address)?));
    let view = discovery.view(&service)?;
    let other = Nats::parse(&address)?;
    other.register(&node(&service, 1), TTL).await?;
    nodes(&view, 1, Duration::from_secs(5)).await?;
    drop(other);
    nodes(&view, 0, Duration::from_secs(5)).await
}

#[tokio::test]
async fn where_there_is_no_server_the_error_says_where_it_was_looked_for_and_what_to_do() -> Result<()> {
    let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = unused.map_err(|error| Error::internal("no port").with_source(error))?.to_string();
    let registry = Nats::parse(&format!("nats://ada:secret@{address}"))?;
    for error in [
        registry.register(&node("a", 1), TTL).await.expect_err("there is no server"),
        registry.watch("a").await.err().expect("there is no server"),
        registry.services().await.expect_err("there is no server"),
    ] {
        assert_eq!(error.code(), Code::Unavailable, "{error}");
        for part in [address.as_str(), "MICRO_REGISTRY_ADDRESS", "MICRO_REGISTRY"] {
            assert!(error.message().contains(part), "{error}");
        }
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    // What was never registered needs no server to be taken back.
    registry.deregister(&node("a", 1)).await
}

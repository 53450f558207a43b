//! Connections belong to the node they lead to.

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use micro::client::{ClientBuilder, HttpVersion, Protocol};
use micro::registry::{Discovery, Memory, Registry as _};
use micro::server::Limits;
use micro::transport::Memory as InMemory;
use micro::{Client, Context, Environment, Metrics, Streaming};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::lab::{LabClient, Site, client, echoes};
use crate::soon::soon;
use crate::watched::Watched;

struct Found {
    site: Site,
    lab: LabClient,
    watched: Watched,
    discovery: Discovery,
    metrics: Metrics,
}

/// A service that its client finds through a registry.
async fn found(options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Found {
    let registry = Memory::new();
    let site = {
        let registry = registry.clone();
        Site::of(|service| service.registry(registry)).await
    };
    let (watched, discovery) = (Watched::new(), Discovery::new(Arc::new(registry)));
    let builder = Client::builder()
        .environment(Environment::empty())
        .discovery(discovery.clone())
        .transport(watched.clone());
    let client = options(builder).build();
    let (lab, metrics) = (LabClient::new(&client), client.metrics());
    Found { site, lab, watched, discovery, metrics }
}

impl Found {
    /// The node leaves the registry, and goes on serving.
    async fn leave(&self) {
        let view = self.discovery.view("lab").unwrap();
        let node = view.nodes()[0].registration().clone();
        self.discovery.registry().deregister(&node).await.unwrap();
        soon(view.until(|nodes| nodes.is_empty())).await;
    }

    fn open(&self) -> f64 {
        self.metrics.snapshot().value("micro_client_connections", &[]).unwrap()
    }
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_node_leaves_the_registry() {
    for (protocol, version) in [
        (Protocol::Native, None),
        (Protocol::Grpc, None),
        (Protocol::Connect, None),
        (Protocol::Connect, Some(HttpVersion::Http1)),
        (Protocol::Mucp, None),
    ] {
        let found = found(|client| {
            let client = client.protocol(protocol);
            if let Some(version) = version { client.http_version(version) } else { client }
        })
        .await;
        echoes(&found.lab).await;
        assert_eq!(found.open(), 1.0, "{protocol}");
        found.leave().await;
        found.watched.closed(1).await;
        soon(async {
            while found.open() > 0.0 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let opened = found.metrics.snapshot().value("micro_client_connections_opened", &[]);
        assert_eq!(opened, Some(1.0));
        found.site.running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_call_in_flight_ends_before_its_connection_does() {
    for protocol in [Protocol::Native, Protocol::Grpc, Protocol::Connect] {
        let found = found(|client| client.protocol(protocol)).await;
        let (mut numbers, stream) = Streaming::channel();
        let call = tokio::spawn(found.lab.first_of(&Context::new(), Streaming::from_iter([7])).send());
        assert_eq!(soon(call).await.unwrap().unwrap(), 7);
        let lab = found.lab.clone();
        let call = tokio::spawn(async move { lab.sum(&Context::new(), stream).send().await });
        numbers.send(1).await.unwrap();
        soon(async {
            let sum = [("rpc_method", "Sum")];
            while found.site.running.metrics().snapshot().value("micro_server_calls_in_flight", &sum)
                != Some(1.0)
            {
                tokio::task::yield_now().await;
            }
        })
        .await;
        found.leave().await;
        numbers.send(2).await.unwrap();
        drop(numbers);
        assert_eq!(soon(call).await.unwrap().unwrap(), 3, "{protocol}");
        found.watched.closed(1).await;
        assert_eq!(found.watched.opened(), 1, "{protocol}");
        found.site.running.stop().await.unwrap();
    }
}

/// A server that hangs up on everybody gets no storm of connections from calls that fail together.
#[tokio::test]
async fn calls_that_fail_together_have_tried_to_connect_together() {
    for protocol in [Protocol::Native, Protocol::Grpc, Protocol::Connect] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            loop {
                drop(listener.accept().await);
            }
        });
        let watched = Watched::new();
        let lab = client(&address, |client| client.protocol(protocol).transport(watched.clone()));
        let calls = (0..200).map(|_| lab.echo(&Context::new(), "x".to_owned()).send());
        for answered in soon(join_all(calls)).await {
            answered.unwrap_err();
        }
        let opened = watched.opened();
        assert!(opened <= 12, "{protocol}: {opened} connections for 200 calls");
        server.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_are_not_needed_any_more_are_closed_all_but_one() {
    for protocol in [Protocol::Native, Protocol::Grpc] {
        let transport = InMemory::new();
        let watched = Watched::over(transport.clone());
        let site = Site::of(|service| {
            service.transport(transport).address("lab").limits(Limits::new().max_concurrent_streams(1))
        })
        .await;
        let lab = client(site.address(), |client| client.protocol(protocol).transport(watched.clone()));
        let mut calls = JoinSet::new();
        for connections in 1..=2 {
            // A connection takes one call, and one that there is no room for makes another one.
            let hangs = lab.hang(&Context::new(), String::new());
            calls.spawn(hangs.into_future());
            watched.attempts(connections).await;
        }
        sleep(Duration::from_secs(10)).await;
        assert_eq!(watched.now_closed(), 0, "{protocol}");
        calls.shutdown().await;
        sleep(Duration::from_secs(101)).await;
        assert_eq!(watched.now_closed(), 1, "{protocol}");
        echoes(&lab).await;
        assert_eq!(watched.opened(), 2, "{protocol}");
    }
}

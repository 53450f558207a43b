//! The etcd driver, against an etcd.

#![cfg(feature = "etcd")]

mod servers;

#[cfg(feature = "tls")]
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use micro_runtime::registry::conformance::{self, Promises};
use micro_runtime::registry::{Change, Discovery, Etcd, Node, Registration, Registry, Snapshot};
use micro_runtime::{Code, Result};
use servers::{Breakable, Kind, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

/// Does something that only administrators of etcd do, over the JSON form of its API.
async fn administer(address: &str, path: &str, body: &str) {
    let mut stream = tokio::net::TcpStream::connect(address).await.expect("etcd listens");
    let length = body.len();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
}

#[tokio::test]
async fn an_etcd_with_authentication_wants_to_know_who_it_is() -> Result<()> {
    let Some(mut server) = Server::start(Kind::Etcd).await else { return Ok(()) };
    let address = server.address();
    for (path, body) in [
        ("/v3/auth/user/add", r#"{"name":"root","password":"secret"}"#),
        ("/v3/auth/role/add", r#"{"name":"root"}"#),
        ("/v3/auth/user/grant", r#"{"user":"root","role":"root"}"#),
        ("/v3/auth/enable", "{}"),
    ] {
        administer(&address, path, body).await;
    }
    let node = node("127.0.0.1:7000");
    for stranger in [Etcd::parse(&address)?, Etcd::parse(&address)?.credentials("root", "wrong")] {
        let error = stranger.register(&node, TTL).await.expect_err("it does not know who this is");
        assert_eq!(error.code(), Code::Unauthenticated, "{error}");
        assert!(error.message().contains("ETCD_PASSWORD"), "{error}");
    }
    let known = Etcd::parse(&address)?.credentials("root", "secret");
    assert!(!format!("{known:?}").contains("secret"));
    known.register(&node, TTL).await?;
    let discovery = Discovery::new(Arc::new(known.clone()));
    let view = discovery.view(&node.service)?;
    timeout(Duration::from_secs(20), view.until(|nodes| nodes.len() == 1)).await.expect("the node");

    // Its tokens end with it.
    server.kill();
    server.restart().await;
    known.register(&node, TTL).await?;
    let mut other = node.clone();
    other.node.id = "a-2".into();
    known.register(&other, TTL).await?;
    // What leaves while nobody watches is kept for a while, as what a server lost is: so the watch has to be back.
    timeout(Duration::from_secs(20), view.until(|nodes| nodes.len() == 2)).await.expect("the other node");
    known.deregister(&node).await?;
    known.deregister(&other).await?;
    timeout(Duration::from_secs(20), view.until(|nodes| nodes.is_empty())).await.expect("no node");
    Ok(())
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn an_etcd_is_called_with_tls_and_must_have_a_certificate_that_is_trusted() -> Result<()> {
    let Some(program) = servers::program(Kind::Etcd) else { return Ok(()) };
    let issued = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).expect("a certificate");
    let folder = tempfile::tempdir().expect("a folder");
    let (certificate, key) = (folder.path().join("a.pem"), folder.path().join("a.key"));
    std::fs::write(&certificate, issued.cert.pem()).expect("it is written");
    std::fs::write(&key, issued.signing_key.serialize_pem()).expect("it is written");
    let [client, peer, _] = servers::ports();
    let (url, peer) = (format!("https://127.0.0.1:{client}"), format!("http://127.0.0.1:{peer}"));
    let mut server = tokio::process::Command::new(program)
        .args(["--listen-client-urls", &url, "--advertise-client-urls", &url, "--listen-peer-urls", &peer])
        .args(["--initial-advertise-peer-urls", &peer, "--initial-cluster", &format!("default={peer}")])
        .arg("--data-dir")
        .arg(folder.path().join("data"))
        .arg("--cert-file")
        .arg(certificate)
        .arg("--key-file")
        .arg(key)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");

    let (trusting, node) = (Etcd::new([&url])?.roots_pem(issued.cert.pem()), node("127.0.0.1:7000"));
    let mut last = Ok(());
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        last = trusting.register(&node, TTL).await;
        if last.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    last?;
    let error = Etcd::new([&url])?.services().await.expect_err("nobody vouches for it");
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("certificate"), "{error}");
    server.kill().await.expect("it ends");
    Ok(())
}

#[tokio::test]
async fn a_watch_on_a_server_that_hangs_ends_and_asking_it_fails() -> Result<()> {
    let Some(server) = Server::start(Kind::Etcd).await else { return Ok(()) };
    let registry = Etcd::parse(&server.address())?;
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

//! Unix sockets: an address says it, and everything else is as over TCP.

use std::path::PathBuf;
use std::time::Duration;

use micro::client::{ClientBuilder, HttpVersion, Protocol};
use micro::registry::{Memory, Registry as _};
use micro::transport::Unix;
use micro::{Client, Context, Environment, Service};
use tempfile::TempDir;

use crate::authority::Authority;
use crate::lab::{Lab, LabClient, Site, echoes, refused};
use crate::shapes::all_shapes;
use crate::soon::soon;
use crate::watched::Watched;

/// A directory for sockets, and the address of one in it.
fn place() -> (TempDir, String) {
    let directory = TempDir::new().unwrap();
    let address = format!("unix:{}", directory.path().join("lab.sock").display());
    (directory, address)
}

#[tokio::test]
async fn all_that_is_spoken_is_spoken_on_a_unix_socket() {
    let (_directory, address) = place();
    let site = Site::of(|service| service.address(&address)).await;
    assert_eq!(site.address(), address);
    let http2 = &b"PRI * HTTP/2.0\r\n"[..];
    for (protocol, version, opening) in [
        (Protocol::Native, None, &b""[..]),
        (Protocol::Connect, Some(HttpVersion::Http1), &b"POST /Lab/Echo HTTP/1.1\r\n"[..]),
        (Protocol::Connect, Some(HttpVersion::Http2), http2),
        (Protocol::Grpc, None, http2),
        (Protocol::Mucp, None, &b"POST "[..]),
    ] {
        let watched = Watched::over(Unix::new());
        let options = |client: ClientBuilder| {
            let client = client.protocol(protocol).transport(watched.clone());
            match version {
                Some(version) => client.http_version(version),
                None => client,
            }
        };
        let lab = site.client(options);
        if protocol == Protocol::Mucp {
            echoes(&lab).await;
        } else {
            all_shapes(&lab).await;
        }
        assert_eq!(watched.opened(), 1, "{protocol}");
        let sent = watched.opening(0);
        assert!(sent.starts_with(opening), "{protocol}: {}", String::from_utf8_lossy(&sent));
        if version == Some(HttpVersion::Http1) {
            let head = String::from_utf8_lossy(&sent);
            assert!(head.contains("\r\nhost: localhost\r\n"), "{head}");
        }
    }
}

#[tokio::test]
async fn with_tls_the_client_says_whom_it_expects() {
    let (_directory, address) = place();
    let authority = Authority::new();
    let tls = authority.issue_with(&["greeter.example"], |_| {}).server();
    let site = Site::of(|service| service.address(&address).tls(tls)).await;

    let named = authority.client().server_name("greeter.example").unwrap();
    for protocol in [Protocol::Native, Protocol::Connect] {
        all_shapes(&site.client(|client| client.tls(named.clone()).protocol(protocol))).await;
    }
    let unnamed = refused(&site.client(|client| client.tls(authority.client()))).await;
    assert!(unnamed.message().contains("`ClientTls::server_name`"), "{unnamed}");
    assert!(unnamed.was_never_processed());
}

#[tokio::test]
async fn a_service_on_a_unix_socket_is_found_in_the_registry() {
    let (directory, address) = place();
    let registry = Memory::new();
    let service = Service::new("lab")
        .environment(Environment::from_iter([("MICRO_SERVER_ADDRESS", &address)]))
        .registry(registry.clone())
        .spread_delay(Duration::ZERO)
        .handle(Lab::default());
    let running = service.start().await.unwrap();
    let records = registry.services().await.unwrap();
    assert_eq!(records[0].nodes[0].address, address);
    let client = Client::builder().environment(Environment::empty()).registry(registry).build();
    echoes(&LabClient::new(&client)).await;

    running.stop().await.unwrap();
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "the file is gone");
}

#[tokio::test]
async fn a_service_with_this_transport_alone_chooses_a_name() {
    let site = Site::of(|service| service.transport(Unix::new())).await;
    let path = PathBuf::from(site.address().strip_prefix("unix:").unwrap());
    assert!(path.is_absolute() && path.exists(), "{}", path.display());
    echoes(&site.client(|client| client)).await;
    site.running.stop().await.unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn a_service_that_is_gone_was_never_asked() {
    let (_directory, address) = place();
    let site = Site::of(|service| service.address(&address)).await;
    let lab = site.client(|client| client);
    echoes(&lab).await;
    site.running.stop().await.unwrap();
    let gone = refused(&lab).await;
    assert!(gone.was_never_processed(), "{gone}");
    let next = Site::of(|service| service.address(&address)).await;
    soon(lab.echo(&Context::new(), "again".to_owned()).send()).await.unwrap();
    drop(next);
}

//! All four shapes, whatever is spoken.

use std::sync::Arc;

use micro::client::{ClientBuilder, HttpVersion, Protocol};
use micro::tls::rustls::pki_types::pem::PemObject as _;
use micro::tls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use micro::tls::{ServerTls, rustls};
use micro::transport::Memory;
use micro::{Code, Context, Streaming};

use crate::authority::{Authority, Identity};
use crate::lab::{LabClient, Site, client};
use crate::soon::soon;
use crate::watched::Watched;

pub(crate) async fn all_shapes(lab: &LabClient) {
    let ctx = Context::new();
    let call = lab.echo(&ctx, "hello".to_owned()).metadata("word", "tea");
    let response = soon(call.response()).await.unwrap();
    assert_eq!(response.get_ref(), "hello");
    assert_eq!(response.headers().get("word"), Some("tea"));
    assert_eq!(response.trailers().get("length"), Some("5"));

    let refused = soon(lab.refuse(&ctx, "not now".to_owned()).send()).await.unwrap_err();
    assert_eq!((refused.code(), refused.message()), (Code::Aborted, "not now"));

    let counted = soon(lab.count(&ctx, 100).send()).await.unwrap();
    assert_eq!(soon(counted.collect()).await.unwrap(), Vec::from_iter(1..=100));

    assert_eq!(soon(lab.sum(&ctx, Streaming::from_iter(1..=100)).send()).await.unwrap(), 5050);

    let doubled = soon(lab.double(&ctx, Streaming::from_iter([1, 2, 3])).send()).await.unwrap();
    assert_eq!(soon(doubled.collect()).await.unwrap(), [2, 4, 6]);

    let large = "x".repeat(1024 * 1024);
    assert_eq!(soon(lab.echo(&ctx, large.clone()).send()).await.unwrap(), large);
}

/// The calls of [`all_shapes`], one after the other, need one connection.
async fn on_one_connection(site: &Site, options: impl FnOnce(ClientBuilder) -> ClientBuilder) -> Vec<u8> {
    let watched = Watched::new();
    all_shapes(&site.client(|client| options(client.transport(watched.clone())))).await;
    assert_eq!(watched.opened(), 1);
    watched.opening(0)
}

#[tokio::test]
async fn without_tls_it_is_http2_unless_told_otherwise() {
    let site = Site::start().await;
    assert!(on_one_connection(&site, |client| client).await.starts_with(b"PRI * HTTP/2.0\r\n"));
    let http2 = on_one_connection(&site, |client| client.http_version(HttpVersion::Http2)).await;
    assert!(http2.starts_with(b"PRI * HTTP/2.0\r\n"));
    let http1 = on_one_connection(&site, |client| client.http_version(HttpVersion::Http1)).await;
    let head = String::from_utf8_lossy(&http1);
    assert!(head.starts_with("POST /Lab/Echo HTTP/1.1\r\n"), "{head}");
    assert!(head.contains(&format!("\r\nhost: {}\r\n", site.address())), "{head}");
}

#[tokio::test]
async fn every_protocol_is_spoken_in_every_version_of_http_that_it_can_be() {
    let site = Site::start().await;
    let (http1, http2) = (&b"POST /Lab/Echo HTTP/1.1\r\n"[..], &b"PRI * HTTP/2.0\r\n"[..]);
    for (protocol, version, opening) in [
        (Protocol::Connect, HttpVersion::Http1, http1),
        (Protocol::Connect, HttpVersion::Http2, http2),
        // gRPC itself needs the trailers of HTTP/2, whatever else is called with HTTP/1.1.
        (Protocol::Grpc, HttpVersion::Http1, http2),
        (Protocol::Grpc, HttpVersion::Http2, http2),
        (Protocol::GrpcWeb, HttpVersion::Http1, http1),
        (Protocol::GrpcWeb, HttpVersion::Http2, http2),
        (Protocol::GrpcWebText, HttpVersion::Http1, http1),
        (Protocol::GrpcWebText, HttpVersion::Http2, http2),
        // Who tells a client to speak the native wire means it, whatever else is called over HTTP.
        (Protocol::Native, HttpVersion::Http2, b"\xa9micro\r\n"),
    ] {
        let options = |client: ClientBuilder| client.protocol(protocol).http_version(version);
        let sent = on_one_connection(&site, options).await;
        assert!(sent.starts_with(opening), "{protocol} {version:?}: {}", String::from_utf8_lossy(&sent));
    }
}

#[tokio::test]
async fn with_tls_the_client_offers_what_it_may_speak_and_the_server_chooses() {
    let authority = Authority::new();
    let site = Site::secured(authority.server()).await;
    let offered = |hello: &[u8]| {
        let has = |id: &[u8]| hello.windows(id.len()).any(|window| window == id);
        (has(b"\x02h2"), has(b"\x08http/1.1"))
    };
    let hello = on_one_connection(&site, |client| client.tls(authority.client())).await;
    assert_eq!(offered(&hello), (true, true));
    for (version, expected) in [(HttpVersion::Http2, (true, false)), (HttpVersion::Http1, (false, true))] {
        let options = |client: ClientBuilder| client.tls(authority.client()).http_version(version);
        let hello = on_one_connection(&site, options).await;
        assert_eq!(offered(&hello), expected, "{version:?}");
    }
}

/// A server that names these protocols, or none.
pub(crate) fn naming(identity: &Identity, protocols: &[&str]) -> rustls::ServerConfig {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(identity.chain.as_bytes()).unwrap()],
            PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap(),
        )
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    config
}

#[tokio::test]
async fn a_server_that_chooses_http1_gets_http1() {
    let authority = Authority::new();
    let site = Site::secured(ServerTls::from_config(naming(&authority.issue(), &["http/1.1"]))).await;
    let watched = Watched::new();
    let lab = site.client(|client| client.tls(authority.client()).transport(watched.clone()));
    all_shapes(&lab).await;
    assert_eq!(watched.opened(), 1);
    // On HTTP/1.1 a call that hangs needs a connection for itself, and so do the others then.
    let ctx = Context::new();
    let hanging = tokio::spawn(lab.hang(&ctx, String::new()).send());
    soon(site.lab.begun.notified()).await;
    all_shapes(&lab).await;
    assert_eq!(watched.opened(), 2);
    hanging.abort();
}

#[tokio::test]
async fn a_configuration_of_rustls_without_protocols_gets_them() {
    let authority = Authority::new();
    let site = Site::secured(ServerTls::from_config(naming(&authority.issue(), &[]))).await;
    let http2 = |client: ClientBuilder| client.tls(authority.client()).http_version(HttpVersion::Http2);
    all_shapes(&site.client(http2)).await;
}

#[tokio::test]
async fn tls_works_in_memory_as_well() {
    let (authority, memory) = (Authority::new(), Memory::new());
    let site = Site::on(memory.clone(), authority.server()).await;
    for version in [HttpVersion::Http1, HttpVersion::Http2] {
        let options = |client: ClientBuilder| {
            client.transport(memory.clone()).tls(authority.client()).http_version(version)
        };
        all_shapes(&client(site.address(), options)).await;
    }
}

/// Who makes a few calls in a function has all of them on the stack, and in a debug build many times.
#[test]
fn a_call_takes_little_room() {
    let (ctx, lab) = (Context::new(), client("127.0.0.1:1", |client| client));
    assert!(size_of_val(&lab.echo(&ctx, String::new()).response()) < 12 * 1024);
    assert!(size_of_val(&lab.double(&ctx, Streaming::from_iter([])).response()) < 12 * 1024);
}

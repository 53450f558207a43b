//! TLS that does not come about, and what is said about it.

use std::time::Duration;

use micro::client::{ClientBuilder, HttpVersion};
use micro::tls::{ClientTls, ServerTls};
use micro::{Code, Context};
use rcgen::{BasicConstraints, ExtendedKeyUsagePurpose, IsCa, date_time_ymd};

use crate::authority::Authority;
use crate::lab::{LabClient, Site, client, echoes, refused};
use crate::raw::Raw;
use crate::shapes::naming;
use crate::soon::soon;

const VERSIONS: [HttpVersion; 2] = [HttpVersion::Http1, HttpVersion::Http2];

/// What a client says that tries, which is that the call was not processed.
async fn message(site: &Site, tls: ClientTls) -> String {
    said(&site.client(|client| client.tls(tls))).await
}

async fn said(lab: &LabClient) -> String {
    let error = refused(lab).await;
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.was_never_processed(), "{error}");
    assert!(!error.message().contains("took the call"), "it was tried once: {error}");
    error.message().to_owned()
}

#[tokio::test]
async fn a_server_that_nobody_trusted_vouches_for_is_not_called() {
    let (authority, other) = (Authority::new(), Authority::new());
    let site = Site::secured(authority.server()).await;
    let said = message(&site, other.client()).await;
    assert!(said.starts_with(&format!("cannot connect to {} with TLS: ", site.address())), "{said}");
    assert!(said.contains("was issued by nobody whom this side trusts"), "{said}");
    // What the system trusts is not this one either, if it trusts anybody.
    let error = refused(&site.client(|client| client.tls(ClientTls::new()))).await;
    let known = ["nobody whom this side trusts", "no root certificates are installed"];
    assert!(known.iter().any(|known| error.message().contains(known)), "{error}");
}

#[tokio::test]
async fn two_authorities_of_the_same_name_are_told_apart() {
    let (authority, other) = (Authority::named("Twin"), Authority::named("Twin"));
    let site = Site::secured(authority.server()).await;
    let said = message(&site, other.client()).await;
    assert!(said.contains("is that another one of the same name?"), "{said}");
}

#[tokio::test]
async fn a_server_with_another_name_is_not_called() {
    let authority = Authority::new();
    let site = Site::secured(authority.issue_with(&["greeter.example"], |_| {}).server()).await;
    let said = message(&site, authority.client()).await;
    assert!(said.contains("is for greeter.example, and not for `127.0.0.1`"), "{said}");
    assert!(said.contains("`ClientTls::server_name`"), "{said}");
    let named = authority.client().server_name("greeter.example").unwrap();
    echoes(&site.client(|client| client.tls(named))).await;
}

#[tokio::test]
async fn a_certificate_out_of_its_time_is_refused_with_the_time() {
    let authority = Authority::new();
    let expired = authority.issue_with(&["127.0.0.1"], |params| {
        params.not_after = date_time_ymd(2001, 2, 3);
    });
    let said = message(&Site::secured(expired.server()).await, authority.client()).await;
    assert!(said.contains("has expired, at 2001-02-03T00:00:00Z"), "{said}");
    let future = authority.issue_with(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2901, 2, 3);
        params.not_after = date_time_ymd(2902, 2, 3);
    });
    let said = message(&Site::secured(future.server()).await, authority.client()).await;
    assert!(said.contains("is not valid before 2901-02-03T00:00:00Z; is the clock right?"), "{said}");
}

#[tokio::test]
async fn a_certificate_for_something_else_is_refused() {
    let authority = Authority::new();
    let of_clients = authority.issue_with(&["127.0.0.1"], |params| {
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    });
    let said = message(&Site::secured(of_clients.server()).await, authority.client()).await;
    assert!(said.contains("is not good"), "{said}");
    let of_authority = authority.issue_with(&["127.0.0.1"], |params| {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    });
    let said = message(&Site::secured(of_authority.server()).await, authority.client()).await;
    assert!(said.contains("that of an authority (`CA:TRUE`)"), "{said}");
}

#[tokio::test]
async fn a_client_without_tls_is_told_that_the_port_speaks_it() {
    let site = Site::secured(Authority::new().server()).await;
    let error = refused(&site.client(|client| client.http_version(HttpVersion::Http1))).await;
    assert_eq!(error.code(), Code::FailedPrecondition, "{error}");
    assert!(error.message().contains("this port speaks TLS"), "{error}");
    let said = said(&site.client(|client| client.http_version(HttpVersion::Http2))).await;
    assert!(said.contains("takes only connections with TLS: set the option `tls`"), "{said}");
}

#[tokio::test]
async fn a_client_with_tls_is_told_that_the_port_does_not_speak_it() {
    let site = Site::start().await;
    let said = message(&site, Authority::new().client()).await;
    assert!(said.contains("it does not speak TLS"), "{said}");
}

/// A server that takes only clients that the authority vouches for.
async fn strict(authority: &Authority) -> Site {
    Site::secured(authority.server().client_roots(authority.pem()).unwrap()).await
}

#[tokio::test]
async fn a_server_may_take_only_clients_with_a_certificate() {
    let (authority, other) = (Authority::new(), Authority::new());
    let site = strict(&authority).await;
    let with = |identity: &crate::authority::Identity| {
        authority.client().identity(&identity.chain, &identity.key).unwrap()
    };
    for version in VERSIONS {
        let lab = |tls: ClientTls| site.client(|client| client.tls(tls).http_version(version));
        echoes(&lab(with(&authority.issue()))).await;
        let missing = said(&lab(authority.client())).await;
        assert!(missing.contains("the server asks for a certificate and this client has none"), "{missing}");
        let unknown = said(&lab(with(&other.issue()))).await;
        assert!(unknown.contains("the server does not trust the issuer"), "{unknown}");
        let twin = said(&lab(with(&Authority::named(authority.name()).issue()))).await;
        assert!(twin.contains("may be another one of the same name"), "{twin}");
        let expired = authority.issue_with(&["web"], |params| params.not_after = date_time_ymd(2001, 2, 3));
        let expired = said(&lab(with(&expired))).await;
        assert!(expired.contains("this client's certificate has expired"), "{expired}");
    }
}

#[tokio::test]
async fn a_stream_to_a_server_that_does_not_take_the_client_fails_as_well() {
    let authority = Authority::new();
    let site = strict(&authority).await;
    for version in VERSIONS {
        let lab = site.client(|client| client.tls(authority.client()).http_version(version));
        let numbers = micro::Streaming::from_iter(1..1000);
        let error = match soon(lab.double(&Context::new(), numbers).send()).await {
            Ok(doubled) => soon(doubled.collect()).await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.message().contains("this client has none"), "{error}");
    }
}

#[tokio::test]
async fn versions_that_the_server_does_not_choose_are_an_error_that_says_so() {
    let authority = Authority::new();
    // A server of HTTP/2 alone.
    let site = Site::secured(ServerTls::from_config(naming(&authority.issue(), &["h2"]))).await;
    let http1 = |client: ClientBuilder| client.tls(authority.client()).http_version(HttpVersion::Http1);
    let said = said(&site.client(http1)).await;
    assert!(said.contains("none of the HTTP versions"), "{said}");
}

#[tokio::test]
async fn a_server_that_does_not_go_on_with_the_handshake_is_given_up() {
    let (server, address) = Raw::listen().await;
    let authority = Authority::new();
    let lab =
        client(&address, |client| client.tls(authority.client()).connect_timeout(Duration::from_millis(50)));
    let said = said(&lab).await;
    assert!(said.contains("within 50ms"), "{said}");
    drop(server);
}

#[tokio::test]
async fn a_server_that_hangs_up_during_the_handshake_is_asked_whether_it_speaks_tls() {
    let (server, address) = Raw::listen().await;
    let authority = Authority::new();
    let lab = client(&address, |client| client.tls(authority.client()));
    let hangs_up = async { drop(server.accept().await) };
    let ((), said) = tokio::join!(hangs_up, said(&lab));
    assert!(said.contains("does it speak TLS?"), "{said}");
}

//! What a service with TLS does with those who say something else, too little, or nothing.

use std::time::Duration;

use micro::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::authority::Authority;
use crate::lab::{Site, echoes};
use crate::soon::soon;

async fn said_to(site: &Site, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    soon(stream.write_all(bytes)).await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

#[tokio::test]
async fn who_speaks_http_without_tls_is_answered_in_its_own_words() {
    let site = Site::secured(Authority::new().server()).await;
    let answer = said_to(&site, b"GET / HTTP/1.1\r\nhost: lab\r\n\r\n").await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let error: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(error["message"].as_str().unwrap().contains("this port speaks TLS"), "{answer}");
    assert!(answer.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");

    let answer = said_to(&site, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    assert!(answer.ends_with(b"this port speaks TLS"), "{answer:?}");
}

#[tokio::test]
async fn who_says_nothing_or_too_little_is_let_go_and_holds_nobody_up() {
    let authority = Authority::new();
    let limits = Limits::new().header_timeout(Duration::from_secs(2));
    let site = Site::of(|service| service.tls(authority.server()).limits(limits)).await;
    // A record that announces more than it brings.
    let openings: [&[u8]; 3] = [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"];
    let mut waiting = Vec::new();
    for opening in openings {
        let mut stream = TcpStream::connect(site.address()).await.unwrap();
        soon(stream.write_all(opening)).await.unwrap();
        waiting.push(stream);
    }
    echoes(&site.client(|client| client.tls(authority.client()))).await;
    for mut stream in waiting {
        assert_eq!(soon(stream.read(&mut [0])).await.unwrap_or(0), 0, "it is closed");
    }
}

#[tokio::test]
async fn nonsense_ends_its_own_connection_and_nothing_else() {
    let authority = Authority::new();
    let site = Site::secured(authority.server()).await;
    for nonsense in [&b"\x16\x03\x01\x00\x05hello"[..], b"\x16\xff\xff\xff\xff\xff\xff", b"\x16\x03\x03\0\0"]
    {
        let answer = said_to_and_closed(&site, nonsense).await;
        assert!(answer.is_empty() || answer[0] == 21, "an alert, if anything: {answer:?}");
    }
    echoes(&site.client(|client| client.tls(authority.client()))).await;
}

async fn said_to_and_closed(site: &Site, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    soon(stream.write_all(bytes)).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answer = Vec::new();
    let _ = soon(stream.read_to_end(&mut answer)).await;
    answer
}

//! Connections that become WebSockets.

use std::time::Duration;

use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::routing::any;
use micro::Service;
use micro::server::Limits;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;

use crate::lab::{Site, Tasks};
use crate::raw::{Raw, request};
use crate::soon::soon;

/// Sends back what comes, in upper case.
async fn shout(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if let Message::Text(text) = message {
            socket.send(text.to_uppercase().into()).await.unwrap();
        }
    }
}

/// Neither reads nor ends.
async fn ignore(mut socket: WebSocket) {
    loop {
        if socket.send("anybody?".into()).await.is_err() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn sockets(service: Service) -> Service {
    let router = Router::new()
        .route("/shout", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(shout)))
        .route("/ignore", any(async |upgrade: WebSocketUpgrade| upgrade.on_upgrade(ignore)));
    service.mount(router)
}

async fn open(site: &Site, path: &str) -> Raw {
    let mut raw = Raw::open(site).await;
    raw.send(format!(
        "GET {path} HTTP/1.1\r\nhost: lab\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    ))
    .await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    // The answer that belongs to this key (RFC 6455, section 1.3).
    assert!(head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
    raw
}

/// A text frame of a client; the mask is nothing.
fn frame(text: &str) -> Vec<u8> {
    [&[0x81, 0x80 | u8::try_from(text.len()).unwrap(), 0, 0, 0, 0], text.as_bytes()].concat()
}

async fn shouts(raw: &mut Raw, text: &str) {
    raw.send(frame(text)).await;
    let mut answer = vec![0; 2 + text.len()];
    soon(raw.stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer[..2], [0x81, u8::try_from(text.len()).unwrap()]);
    assert_eq!(answer[2..], *text.to_uppercase().as_bytes());
}

#[tokio::test]
async fn a_websocket_works_beside_calls_and_as_long_as_it_likes() {
    let short = Duration::from_millis(50);
    let limits = Limits::new().header_timeout(short).body_timeout(short).idle_timeout(short);
    let site = Site::of(|service| sockets(service.limits(limits.max_connection_age(short)))).await;
    let tasks = Tasks::now();
    let mut socket = open(&site, "/shout").await;
    shouts(&mut socket, "hello").await;
    tokio::time::sleep(4 * short).await;
    shouts(&mut socket, "still here").await;
    let mut raw = Raw::open(&site).await;
    raw.send(request("/Lab/Echo", r#""Ada""#)).await;
    assert_eq!(raw.answer().await.1, r#""Ada""#);
    drop((socket, raw));
    tasks.again().await;
}

#[tokio::test]
async fn layers_let_an_upgrade_through() {
    let site =
        Site::of(|service| sockets(service.layer(tower_http::trace::TraceLayer::new_for_http()))).await;
    shouts(&mut open(&site, "/shout").await, "hello").await;
}

#[tokio::test]
async fn a_websocket_ends_when_the_service_drains() {
    let site = Site::of(|service| sockets(service.drain_timeout(Duration::MAX))).await;
    let mut socket = open(&site, "/shout").await;
    shouts(&mut socket, "hello").await;
    // That it ends at once is what is tested: the drain has no limit.
    soon(site.running.stop()).await.unwrap();
    socket.closed().await;
}

#[tokio::test]
async fn a_websocket_that_does_not_look_is_cut_off() {
    let site = Site::of(|service| sockets(service.drain_timeout(Duration::from_millis(100)))).await;
    let socket = open(&site, "/ignore").await;
    soon(site.running.stop()).await.unwrap();
    assert!(socket.closed().await.contains("anybody?"));
}

#[tokio::test]
async fn a_websocket_is_one_of_the_connections_that_there_may_be() {
    let site = Site::of(|service| sockets(service.limits(Limits::new().max_connections(1)))).await;
    let mut socket = open(&site, "/shout").await;
    let mut second = Raw::open(&site).await;
    second.send(request("/Lab/Echo", r#""Ada""#)).await;
    assert!(timeout(Duration::from_millis(50), second.stream.readable()).await.is_err());
    shouts(&mut socket, "hello").await;
    drop(socket);
    assert_eq!(second.answer().await.1, r#""Ada""#);
}

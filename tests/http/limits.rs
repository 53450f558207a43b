//! Limits that are not about time or the size of a message.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use micro::server::Limits;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::raw::Raw;
use crate::soon::soon;
use crate::wire::{BOTH, JSON, STREAM, Wire, full, post};

#[tokio::test]
async fn no_more_calls_are_open_on_a_connection_than_it_grants() {
    let site = Site::with(Limits::new().max_concurrent_streams(2)).await;
    let stream = TcpStream::connect(site.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    // A call that is answered has brought the settings of the server with it.
    let head = Request::get("http://lab/").body(()).unwrap();
    assert_eq!(soon(sender.clone().send_request(head, true).unwrap().0).await.unwrap().status(), 404);
    let mut calls = Vec::new();
    for _ in 0..5 {
        let sender = sender.clone();
        calls.push(tokio::spawn(async move {
            let mut sender = sender.ready().await.unwrap();
            let head = Request::post("http://lab/Lab/Hang").header("content-type", JSON).body(()).unwrap();
            let (response, mut body) = sender.send_request(head, false).unwrap();
            body.send_data(Bytes::from_static(b"\"\""), true).unwrap();
            response.await.map(drop)
        }));
    }
    site.handlers(2).await;
    let more = timeout(Duration::from_millis(100), site.handlers(3)).await;
    assert!(more.is_err(), "there is room for two");
    // Each call that goes makes room for the next one.
    while calls.len() > 2 {
        calls.remove(0).abort();
        site.handlers(2).await;
    }
    calls.drain(..).for_each(|call| call.abort());
    site.handlers(0).await;
}

#[tokio::test]
async fn an_http2_peer_that_does_not_answer_pings_loses_its_calls() {
    // The time to answer is fixed, and too long for a test: that the ping comes is enough here.
    let site = Site::with(Limits::new().keep_alive_interval(Duration::from_millis(50))).await;
    let mut raw = Raw::open(&site).await;
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    let mut read = Vec::new();
    let pinged = async {
        while !read.windows(5).any(|bytes| bytes == b"\0\0\x08\x06\0") {
            assert!(raw.stream.read_buf(&mut read).await.unwrap() > 0);
        }
    };
    soon(pinged).await;
}

#[tokio::test]
async fn a_connection_too_many_waits_until_another_one_ends() {
    let site = Site::with(Limits::new().max_connections(2)).await;
    let (first, second) = (Raw::open(&site).await, Raw::open(&site).await);
    let mut third = Wire::open(&site, Version::HTTP_11).await;
    let mut answer = std::pin::pin!(third.post("/Lab/Echo", JSON, "\"Ada\""));
    assert!(timeout(Duration::from_millis(100), &mut answer).await.is_err(), "there is room for two");
    drop(first);
    assert_eq!(answer.await.json(), "Ada");
    drop(second);
}

#[tokio::test]
async fn the_longest_time_there_is_means_never() {
    let never = Duration::MAX;
    let limits = Limits::new().header_timeout(never).body_timeout(never).write_timeout(never);
    let site = Site::with(limits.idle_timeout(never).keep_alive_interval(never)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
        let (sums, _) = wire.post("/Lab/Sum", STREAM, envelope(0, "1")).await.stream();
        assert_eq!(sums, [1]);
    }
}

#[tokio::test]
async fn http_1_0_is_served_and_closed() {
    let site = Site::start().await;
    let mut raw = Raw::open(&site).await;
    raw.send("POST /Lab/Echo HTTP/1.0\r\ncontent-type: application/json\r\ncontent-length: 5\r\n\r\n\"Ada\"")
        .await;
    let answer = raw.closed().await;
    assert!(answer.starts_with("HTTP/1.0 200 OK\r\n") && answer.ends_with("\"Ada\""), "{answer}");
}

#[tokio::test]
async fn a_client_that_offers_an_upgrade_is_served_without_one() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site, Version::HTTP_11).await;
    let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
    request.headers_mut().insert("connection", "Upgrade, HTTP2-Settings".parse().unwrap());
    request.headers_mut().insert("upgrade", "h2c".parse().unwrap());
    request.headers_mut().insert("http2-settings", "AAMAAABkAAQCAAAAAAIAAAAA".parse().unwrap());
    assert_eq!(wire.send(request).await.json(), "Ada");
}

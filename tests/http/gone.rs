//! Clients that go away in the middle of a call: their handlers are dropped.

use bytes::Bytes;
use h2::Reason;
use http::Request;
use http_body_util::BodyExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::envelope::envelope;
use crate::lab::{Site, Tasks};
use crate::raw::{Raw, head, request};
use crate::soon::soon;
use crate::wire::{BOTH, JSON, STREAM, Wire, full, piecemeal, post};

#[tokio::test]
async fn a_client_that_disconnects_drops_its_handler() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let mut raw = Raw::open(&site).await;
    raw.send(request("/Lab/Hang", r#""""#)).await;
    site.handlers(1).await;
    drop(raw);
    site.handlers(0).await;

    let stream = TcpStream::connect(site.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    let connection = tokio::spawn(connection);
    let calls: Vec<_> = (0..10).map(|_| hang(&sender)).collect();
    site.handlers(10).await;
    connection.abort();
    site.handlers(0).await;
    drop((sender, calls));
    tasks.again().await;
}

#[tokio::test]
async fn a_client_that_closes_its_sending_side_is_gone_as_well() {
    let site = Site::start().await;
    let mut raw = Raw::open(&site).await;
    raw.send(request("/Lab/Hang", r#""""#)).await;
    site.handlers(1).await;
    raw.stream.shutdown().await.unwrap();
    site.handlers(0).await;
    assert_eq!(raw.closed().await, "");
}

/// A request for the method that never answers.
fn hang(sender: &h2::client::SendRequest<Bytes>) -> (h2::client::ResponseFuture, h2::SendStream<Bytes>) {
    let head = Request::post("http://lab/Lab/Hang").header("content-type", JSON).body(()).unwrap();
    let (response, mut body) = sender.clone().send_request(head, false).unwrap();
    body.send_data(Bytes::from_static(b"\"\""), true).unwrap();
    (response, body)
}

#[tokio::test]
async fn a_stream_that_is_reset_drops_its_handler_and_no_other() {
    let site = Site::start().await;
    let stream = TcpStream::connect(site.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let mut calls: Vec<_> = (0..3).map(|_| hang(&sender)).collect();
    site.handlers(3).await;
    for left in (0..3).rev() {
        calls.pop().unwrap().1.send_reset(Reason::CANCEL);
        site.handlers(left).await;
    }
}

#[tokio::test]
async fn a_client_that_stops_reading_a_stream_drops_its_handler() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let request = post("/Lab/Count", STREAM, full(envelope(0, u64::MAX.to_string())));
        let mut answers = wire.start(request).await.unwrap().into_body();
        assert!(soon(answers.frame()).await.unwrap().is_ok());
        site.handlers(1).await;
        drop((answers, wire));
        site.handlers(0).await;
    }
    tasks.again().await;
}

#[tokio::test]
async fn a_client_that_leaves_its_own_stream_unfinished_drops_its_handler() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    for version in BOTH {
        for path in ["/Lab/Sum", "/Lab/Double"] {
            let mut wire = Wire::open(&site, version).await;
            let (sender, body) = piecemeal();
            sender.send(envelope(0, "1")).unwrap();
            let call = tokio::spawn(async move {
                let response = wire.start(post(path, STREAM, body)).await;
                response.unwrap().into_body().collect().await.map(|_| ())
            });
            site.handlers(1).await;
            call.abort();
            site.handlers(0).await;
            drop(sender);
        }
    }
    tasks.again().await;
}

#[tokio::test]
async fn a_client_that_disconnects_inside_a_body_leaves_nothing_behind() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    for beginning in [head("/Lab/Echo", 5), format!("{}\"A", head("/Lab/Echo", 5)), head("/Lab/Nope", 5)] {
        let mut raw = Raw::open(&site).await;
        raw.send(beginning).await;
        drop(raw);
    }
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let (sender, body) = piecemeal();
        sender.send("\"A".into()).unwrap();
        let call = tokio::spawn(async move { wire.send(post("/Lab/Echo", JSON, body)).await });
        tokio::task::yield_now().await;
        call.abort();
        drop(sender);
    }
    tasks.again().await;
    site.handlers(0).await;
}

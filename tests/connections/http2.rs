//! The HTTP/2 connections of a client, of which there is mostly one.

use std::future::IntoFuture as _;
use std::time::Duration;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, SendStream};
use http::Response;
use micro::server::Limits;
use micro::{Code, Context};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinSet;

use crate::lab::{Site, client, echoes, refused};
use crate::raw::Raw;
use crate::soon::soon;
use crate::watched::Watched;

#[tokio::test]
async fn a_server_of_http1_alone_is_told_from_one_that_is_broken() {
    let (server, address) = Raw::listen().await;
    let lab = client(&address, |client| client);
    // As often as it is asked: a call that was not taken may come again on another connection.
    let serving = async {
        loop {
            let mut stream = server.accept().await;
            soon(stream.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")).await.unwrap();
            let _ = soon(stream.read_to_end(&mut Vec::new())).await;
        }
    };
    let error = tokio::select! {
        error = refused(&lab) => error,
        () = serving => unreachable!(),
    };
    assert_eq!(error.code(), Code::Unavailable, "{error}");
    assert!(error.message().contains("`http_version`"), "{error}");
}

#[tokio::test]
async fn streams_that_nobody_reads_do_not_hold_other_calls_up() {
    const STREAMS: usize = 8;
    let (server, address) = Raw::listen().await;
    let lab = client(&address, |client| client);
    let calls = async {
        let mut unread = Vec::new();
        for _ in 0..STREAMS {
            unread.push(soon(lab.count(&Context::new(), 1).send()).await.unwrap());
        }
        unread
    };
    let served = async {
        let mut connection = h2::server::handshake(server.accept().await).await.unwrap();
        let mut filled = JoinSet::new();
        for _ in 0..STREAMS {
            let (_, response) = soon(connection.accept()).await.unwrap().unwrap();
            filled.spawn(fill(response));
        }
        tokio::select! {
            _ = connection.accept() => panic!("the connection ended"),
            filled = soon(filled.join_all()) => filled,
        }
    };
    let (_unread, filled) = tokio::join!(calls, served);
    assert_eq!(filled.len(), STREAMS);
}

/// Answers with as much as the client's window for one stream takes.
async fn fill(mut response: SendResponse<Bytes>) -> SendStream<Bytes> {
    let head = Response::builder().header("content-type", "application/connect+json").body(()).unwrap();
    let mut body = response.send_response(head, false).unwrap();
    let mut left = 1024 * 1024;
    while left > 0 {
        body.reserve_capacity(left);
        let granted = std::future::poll_fn(|task| body.poll_capacity(task)).await.unwrap().unwrap();
        body.send_data(vec![0; granted].into(), false).unwrap();
        left -= granted;
    }
    body
}

#[tokio::test]
async fn calls_that_a_connection_has_no_room_for_go_on_another_one() {
    let site = Site::with(Limits::new().max_concurrent_streams(2)).await;
    let watched = Watched::new();
    let lab = site.client(|client| client.transport(watched.clone()).max_connections_per_node(3));
    echoes(&lab).await;
    let mut hanging = JoinSet::new();
    for opened in [1, 1, 2, 2, 3, 3] {
        hanging.spawn(lab.hang(&Context::new(), String::new()).into_future());
        soon(site.lab.begun.notified()).await;
        assert_eq!(watched.opened(), opened);
    }
    // All are full, and there may be no more of them: this one waits.
    let mut waiting = tokio::spawn(lab.echo(&Context::new(), "at last".to_owned()).into_future());
    let early = tokio::time::timeout(Duration::from_millis(30), &mut waiting).await;
    assert!(early.is_err(), "{early:?}");
    hanging.shutdown().await;
    assert_eq!(soon(waiting).await.unwrap().unwrap(), "at last");
    assert_eq!(watched.opened(), 3);
}

#[tokio::test]
async fn an_answer_that_is_reset_without_an_error_code_is_not_taken_for_a_whole_one() {
    let (server, address) = Raw::listen().await;
    let lab = client(&address, |client| client);
    let call = async { soon(lab.echo(&Context::new(), "Ada".to_owned()).send()).await.unwrap_err() };
    let served = async {
        let mut connection = h2::server::handshake(server.accept().await).await.unwrap();
        let (_, mut response) = soon(connection.accept()).await.unwrap().unwrap();
        let head = Response::builder().header("content-type", "application/json").body(()).unwrap();
        let mut body = response.send_response(head, false).unwrap();
        // A string that could end here.
        body.send_data(Bytes::from_static(br#""Ada""#), false).unwrap();
        body.send_reset(Reason::NO_ERROR);
        while connection.accept().await.is_some() {}
    };
    let error = tokio::select! {
        error = call => error,
        () = served => panic!("the connection ended first"),
    };
    assert_eq!(error.code(), Code::Internal, "{error}");
}

//! HTTP/2 lets a server reset a request that it has answered already. Some clients then throw the
//! answer away, so ours does that only after a while.

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Reason, RecvStream, SendStream};
use http::{Request, StatusCode, Version};
use micro::server::Limits;
use tokio::net::TcpStream;

use crate::envelope::envelope;
use crate::lab::{Site, Tasks};
use crate::raw::{Raw, head, request};
use crate::soon::soon;
use crate::wire::{JSON, STREAM, Wire, piecemeal, post};

async fn connect(site: &Site) -> SendRequest<Bytes> {
    let stream = TcpStream::connect(site.address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

/// Sends the head of a request, and takes the whole answer.
async fn answered(
    sender: &mut SendRequest<Bytes>,
    path: &str,
    content_type: &str,
) -> (StatusCode, SendStream<Bytes>) {
    let request = Request::post(format!("http://lab{path}")).header("content-type", content_type);
    let (response, request) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    let (head, mut body) = soon(response).await.unwrap().into_parts();
    read_to_end(&mut body).await;
    (head.status, request)
}

async fn read_to_end(body: &mut RecvStream) {
    while let Some(data) = soon(body.data()).await {
        body.flow_control().release_capacity(data.unwrap().len()).unwrap();
    }
}

/// Sends so many bytes as flow control allows, until the stream is reset.
async fn send(request: &mut SendStream<Bytes>, mut size: usize) -> Result<(), h2::Error> {
    while size > 0 {
        request.reserve_capacity(size.min(16 * 1024));
        let granted = soon(std::future::poll_fn(|task| request.poll_capacity(task))).await;
        let granted = granted.unwrap_or_else(|| Err(Reason::NO_ERROR.into()))?;
        request.send_data(vec![b'x'; granted].into(), false)?;
        size -= granted;
    }
    Ok(())
}

#[tokio::test]
async fn a_request_that_was_answered_early_can_be_sent_to_its_end() {
    let site = Site::with(Limits::new().max_message_size(1_000_000)).await;
    let mut sender = connect(&site).await;
    let cases = [("/Lab/Nope", "application/json", 404), ("/Lab/Echo", "text/plain", 415)];
    for (path, content_type, expected) in cases {
        let (status, mut request) = answered(&mut sender, path, content_type).await;
        assert_eq!(status, expected);
        send(&mut request, 900_000).await.unwrap();
        request.send_data(Bytes::new(), true).unwrap();
    }
    let (status, _) = answered(&mut sender, "/Lab/Nope", "application/json").await;
    assert_eq!(status, 404, "the connection goes on");
}

#[tokio::test]
async fn a_body_over_the_limit_can_be_sent_to_its_end() {
    let site = Site::start().await;
    let mut sender = connect(&site).await;
    let request = Request::post("http://lab/Lab/Echo").header("content-type", "application/json");
    let request = request.header("content-length", "5000000").body(()).unwrap();
    let (response, mut request) = sender.send_request(request, false).unwrap();
    let (head, mut body) = soon(response).await.unwrap().into_parts();
    read_to_end(&mut body).await;
    assert_eq!(head.status, 429);
    send(&mut request, 4_999_999).await.unwrap();
    request.send_data(Bytes::from_static(b"x"), true).unwrap();
}

#[tokio::test]
async fn a_request_that_goes_on_without_end_is_held_back_and_then_reset() {
    let site = Site::with(Limits::new().max_message_size(100_000)).await;
    let mut sender = connect(&site).await;
    let request = Request::post("http://lab/Lab/Nope").body(()).unwrap();
    let (response, _) = sender.send_request(request, true).unwrap();
    assert_eq!(soon(response).await.unwrap().status(), 404);
    let tasks = Tasks::now();
    let (status, mut request) = answered(&mut sender, "/Lab/Nope", "application/json").await;
    assert_eq!(status, 404);
    let error = send(&mut request, usize::MAX).await.unwrap_err();
    assert_eq!(error.reason(), Some(Reason::NO_ERROR));
    drop(request);
    tasks.again().await;
}

#[tokio::test]
async fn a_stream_that_is_answered_early_is_reset_at_once() {
    let site = Site::start().await;
    let mut sender = connect(&site).await;
    let request = Request::post("http://lab/Lab/Sum").header("content-type", "application/connect+json");
    let (response, mut request) = sender.send_request(request.body(()).unwrap(), false).unwrap();
    request.send_data(Bytes::from_static(b"\0\0\0\0\x01x"), false).unwrap();
    let (head, mut body) = soon(response).await.unwrap().into_parts();
    read_to_end(&mut body).await;
    assert_eq!(head.status, 200);
    let reset = soon(std::future::poll_fn(|task| request.poll_reset(task))).await.unwrap();
    assert_eq!(reset, Reason::NO_ERROR);
    site.handlers(0).await;
}

#[tokio::test]
async fn a_connection_that_would_lose_its_next_request_is_not_used_again() {
    let site = Site::with(Limits::new().max_message_size(100_000)).await;
    let mut raw = Raw::open(&site).await;
    raw.send(request("/Lab/Echo", &"x".repeat(200_000))).await;
    let (answer, _) = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && !answer.contains("connection: close"), "{answer}");
    raw.send(head("/Lab/Echo", 200_001)).await;
    let (answer, _) = raw.answer().await;
    assert!(answer.starts_with("HTTP/1.1 429 ") && answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn a_stream_over_http_1_that_is_answered_early_can_be_sent_to_its_end() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site, Version::HTTP_11).await;
    let (messages, body) = piecemeal();
    messages.send(envelope(0, "x")).unwrap();
    let answer = wire.send(post("/Lab/Sum", STREAM, body)).await;
    answer.stream_error("invalid_argument");
    for _ in 0..100 {
        messages.send(envelope(0, "1")).unwrap();
    }
    drop(messages);
    assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
}

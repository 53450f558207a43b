//! Clients that are slow, or only look like it.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Version};
use http_body_util::BodyExt as _;
use micro::server::Limits;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::envelope::envelope;
use crate::lab::{Site, Tasks};
use crate::raw::{Raw, head, request};
use crate::soon::soon;
use crate::wire::{BOTH, JSON, STREAM, Wire, envelopes, piecemeal, post};

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(60);

/// Everything takes long but what the test is about.
fn patient() -> Limits {
    Limits::new().header_timeout(LONG).body_timeout(LONG).idle_timeout(LONG)
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let site = Site::with(patient().header_timeout(SHORT)).await;
    let tasks = Tasks::now();
    assert_eq!(Raw::open(&site).await.closed().await, "");
    tasks.again().await;
}

#[tokio::test]
async fn half_a_head_and_then_silence_is_closed() {
    let site = Site::with(patient().header_timeout(SHORT)).await;
    let tasks = Tasks::now();
    for beginning in
        ["P", "PRI * HTTP/2.0\r\n\r\nS", "POST /Lab/Echo HT", "POST /Lab/Echo HTTP/1.1\r\nhost: lab\r\n"]
    {
        let mut raw = Raw::open(&site).await;
        raw.send(beginning).await;
        assert_eq!(raw.closed().await, "", "{beginning}");
    }
    tasks.again().await;
}

#[tokio::test]
async fn half_a_head_behind_a_whole_request_is_closed_too() {
    let site = Site::with(patient().header_timeout(SHORT)).await;
    let mut raw = Raw::open(&site).await;
    raw.send(request("/Lab/Echo", r#""Ada""#)).await;
    assert_eq!(raw.answer().await.1, r#""Ada""#);
    raw.send("POST /Lab/Echo HT").await;
    assert_eq!(raw.closed().await, "");
}

#[tokio::test]
async fn the_rest_of_a_body_that_was_answered_early_is_not_taken_for_a_head() {
    let site = Site::with(patient().header_timeout(SHORT)).await;
    let mut raw = Raw::open(&site).await;
    raw.send("POST /Lab/Nope HTTP/1.1\r\nhost: lab\r\ncontent-length: 6\r\n\r\nfor").await;
    assert!(raw.answer().await.0.starts_with("HTTP/1.1 404 "));
    raw.send("get").await;
    tokio::time::sleep(2 * SHORT).await;
    raw.send(request("/Lab/Echo", r#""Ada""#)).await;
    assert_eq!(raw.answer().await.1, r#""Ada""#);
}

#[tokio::test]
async fn a_head_that_trickles_in_is_cut_off_however_often_a_byte_comes() {
    let site = Site::with(patient().header_timeout(SHORT)).await;
    let mut raw = Raw::open(&site).await;
    let mut answer = [0];
    raw.send("POST /Lab/Echo HTTP/1.1\r\nx: ").await;
    let closed = async {
        loop {
            raw.send("x").await;
            // The time between two bytes, unless the connection is closed before.
            if let Ok(read) = timeout(SHORT / 10, raw.stream.read(&mut answer)).await {
                return read.unwrap_or(0);
            }
        }
    };
    assert_eq!(soon(closed).await, 0);
}

#[tokio::test]
async fn half_a_body_and_then_silence_is_answered_and_the_handler_is_not_called() {
    let site = Site::with(patient().body_timeout(SHORT)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let (sender, body) = piecemeal();
        sender.send("\"Ad".into()).unwrap();
        let message = wire.send(post("/Lab/Echo", JSON, body)).await.error(504, "deadline_exceeded");
        assert!(message.contains("for 100ms (the option `body_timeout`)"), "{message}");
    }
    let mut raw = Raw::open(&site).await;
    raw.send(format!("{}\"A", head("/Lab/Echo", 5))).await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 504 "), "{head}");
    assert!(body.contains("deadline_exceeded"), "{body}");
    // The rest may be anything, so nothing else can follow it.
    assert_eq!(raw.closed().await, "");
}

#[tokio::test]
async fn half_an_envelope_and_then_silence_ends_the_stream() {
    let site = Site::with(patient().body_timeout(SHORT)).await;
    for version in BOTH {
        for path in ["/Lab/Sum", "/Lab/Double", "/Lab/Count"] {
            let mut wire = Wire::open(&site, version).await;
            let (sender, body) = piecemeal();
            sender.send(envelope(0, "1234").slice(..7)).unwrap();
            let answer = wire.send(post(path, STREAM, body)).await;
            let (_, message) = answer.stream_error("deadline_exceeded");
            assert!(message.contains("`body_timeout`"), "{message}");
        }
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn a_request_of_one_message_that_does_not_begin_or_end_is_answered() {
    let site = Site::with(patient().body_timeout(SHORT)).await;
    for version in BOTH {
        for beginning in [None, Some(envelope(0, "3"))] {
            let mut wire = Wire::open(&site, version).await;
            let (sender, body) = piecemeal();
            beginning.into_iter().for_each(|message| sender.send(message).unwrap());
            let answer = wire.send(post("/Lab/Count", STREAM, body)).await;
            let (messages, message) = answer.stream_error("deadline_exceeded");
            assert!(messages.is_empty() && message.contains("`body_timeout`"), "{message}");
        }
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answer_is_cut_off() {
    let site = Site::with(patient().write_timeout(SHORT)).await;
    let tasks = Tasks::now();
    let endless = envelope(0, u64::MAX.to_string());
    let mut http1 = Raw::open(&site).await;
    http1.send(head("/Lab/Count", endless.len()).replace(JSON, STREAM)).await;
    http1.send(&endless).await;
    site.handlers(1).await;
    site.handlers(0).await;

    // As much as it likes may be sent to this one, and it takes nothing of it.
    let stream = TcpStream::connect(site.address()).await.unwrap();
    let window = (1 << 31) - 1;
    let mut settings = h2::client::Builder::new();
    let settings = settings.initial_window_size(window).initial_connection_window_size(window);
    let (mut sender, mut connection) = settings.handshake::<_, Bytes>(stream).await.unwrap();
    let request = Request::post("http://lab/Lab/Count").header("content-type", STREAM).body(()).unwrap();
    let (_response, mut body) = sender.send_request(request, false).unwrap();
    body.send_data(endless, true).unwrap();
    tokio::select! {
        ended = &mut connection => panic!("{ended:?}"),
        () = site.handlers(1) => {}
    }
    site.handlers(0).await;
    tasks.again().await;
}

#[tokio::test]
async fn a_stream_may_be_silent_between_two_messages() {
    let site = Site::with(patient().body_timeout(SHORT).header_timeout(SHORT).idle_timeout(SHORT)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let (sender, body) = piecemeal();
        sender.send(envelope(0, "1")).unwrap();
        let mut answers = wire.start(post("/Lab/Double", STREAM, body)).await.unwrap().into_body();
        let first = soon(answers.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(envelopes(&first), [(0, b"2".to_vec())]);
        timeout(3 * SHORT, answers.frame()).await.expect_err("nothing comes, and nothing ends");
        sender.send(envelope(0, "2")).unwrap();
        let second = soon(answers.frame()).await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(envelopes(&second), [(0, b"4".to_vec())]);
    }
}

#[tokio::test]
async fn a_connection_without_a_call_is_closed_after_the_idle_timeout() {
    let site = Site::with(patient().idle_timeout(SHORT)).await;
    let tasks = Tasks::now();
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, "\"\"").await.status, 200);
        wire.closed().await;
    }
    let mut wire = Wire::open(&site, Version::HTTP_2).await;
    wire.closed().await;
    tasks.again().await;
}

#[tokio::test]
async fn an_http2_peer_that_does_not_even_say_goodbye_is_cut_off() {
    let site = Site::with(patient().idle_timeout(SHORT)).await;
    let mut raw = Raw::open(&site).await;
    // The preface and empty settings, and then nothing: no acknowledgement of anything.
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    raw.closed().await;
    // The preface alone.
    let mut raw = Raw::open(&site).await;
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    raw.closed().await;
    // The beginning of a head that never ends.
    let mut raw = Raw::open(&site).await;
    raw.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\0\0\0\0\x01\x83").await;
    raw.closed().await;
}

#[tokio::test]
async fn a_connection_that_is_only_idle_is_not_taken_for_one_with_a_slow_head() {
    let site = Site::with(patient().header_timeout(SHORT).body_timeout(SHORT)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""one""#).await.json(), "one");
        timeout(3 * SHORT, wire.closed()).await.expect_err("it stays open");
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""two""#).await.json(), "two");
    }
}

#[tokio::test]
async fn a_call_that_takes_long_is_not_idle() {
    let site = Site::with(Limits::new().idle_timeout(SHORT).header_timeout(SHORT).body_timeout(SHORT)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let hanging = wire.start(post("/Lab/Hang", JSON, crate::wire::full("\"\"")));
        assert!(timeout(4 * SHORT, hanging).await.is_err(), "it hangs, and nobody ends it");
        drop(wire);
        site.handlers(0).await;
    }
}

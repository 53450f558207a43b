//! How long connections live, and which clients lose theirs.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::Version;
use micro::server::Limits;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::lab::{Site, Tasks};
use crate::raw::{Raw, request};
use crate::soon::soon;
use crate::wire::{BOTH, JSON, Wire, full, post};

const SHORT: Duration = Duration::from_millis(100);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A frame of HTTP/2 (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The head of a call, without any of HPACK's compression: `:method`, `:scheme` and `:path` by their
/// index, and the path as it is.
fn call() -> Vec<u8> {
    let path = b"/Lab/Hang";
    [&[0x83, 0x86, 0x04, u8::try_from(path.len()).unwrap()], &path[..]].concat()
}

/// Reads until the server says why it goes away, or closes without a word.
async fn goes_away(stream: &mut TcpStream) -> Option<Reason> {
    let mut read = Vec::new();
    loop {
        let mut rest = &read[..];
        while let Some((head, more)) = rest.split_first_chunk::<9>() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let Some(payload) = more.get(..length) else { break };
            if head[3] == 7 {
                let code = u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
                return Some(code.into());
            }
            rest = &more[length..];
        }
        match soon(stream.read_buf(&mut read)).await {
            Ok(0) | Err(_) => return None,
            Ok(_) => {}
        }
    }
}

#[tokio::test]
async fn a_client_that_resets_as_fast_as_it_calls_is_cut_off_and_others_are_served() {
    let site = Site::with(Limits::new().max_pending_resets(10)).await;
    let tasks = Tasks::now();
    let mut other = Wire::open(&site, Version::HTTP_2).await;
    assert_eq!(other.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");

    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    let resets = (0..1000_u32).map(|number| {
        let id = 2 * number + 1;
        [frame(1, 4, id, &call()), frame(3, 0, id, &8_u32.to_be_bytes())].concat()
    });
    let attack = [PREFACE.to_vec(), resets.collect::<Vec<_>>().concat()].concat();
    let _ = stream.write_all(&attack).await;
    assert_eq!(goes_away(&mut stream).await, Some(Reason::ENHANCE_YOUR_CALM));
    drop(stream);

    assert_eq!(other.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
    drop(other);
    site.handlers(0).await;
    tasks.again().await;
}

#[tokio::test]
async fn a_client_that_takes_calls_back_within_the_limit_is_served_on() {
    let site = Site::with(Limits::new().max_pending_resets(200)).await;
    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    let mut attack = PREFACE.to_vec();
    for number in 0..150_u32 {
        let id = 2 * number + 1;
        attack.extend([frame(1, 4, id, &call()), frame(3, 0, id, &8_u32.to_be_bytes())].concat());
    }
    attack.extend(frame(6, 0, 0, b"12345678"));
    stream.write_all(&attack).await.unwrap();
    let mut read = Vec::new();
    let pong = frame(6, 1, 0, b"12345678");
    while !read.windows(pong.len()).any(|bytes| bytes == pong) {
        assert!(soon(stream.read_buf(&mut read)).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_on_too_many_streams_is_cut_off() {
    let site = Site::with(Limits::new().max_stream_errors(10)).await;
    let mut stream = TcpStream::connect(site.address()).await.unwrap();
    // Each call is followed by an update that makes its window too large, an error of that stream.
    let broken = (0..1000_u32).map(|number| {
        let id = 2 * number + 1;
        [frame(1, 4, id, &call()), frame(8, 0, id, &i32::MAX.to_be_bytes())].concat()
    });
    let attack = [PREFACE.to_vec(), broken.collect::<Vec<_>>().concat()].concat();
    let _ = stream.write_all(&attack).await;
    assert_eq!(goes_away(&mut stream).await, Some(Reason::ENHANCE_YOUR_CALM));
    site.handlers(0).await;
}

#[tokio::test]
async fn a_head_that_goes_on_and_on_ends_the_connection() {
    let site = Site::start().await;
    for payload in [&b"\x00\x01x\x01y"[..], &[0; 0]] {
        let mut stream = TcpStream::connect(site.address()).await.unwrap();
        let mut attack = [PREFACE, &frame(1, 0, 1, &call())].concat();
        for _ in 0..10_000 {
            attack.extend(frame(9, 0, 1, payload));
        }
        let _ = stream.write_all(&attack).await;
        assert_eq!(goes_away(&mut stream).await, Some(Reason::ENHANCE_YOUR_CALM));
    }
    let mut wire = Wire::open(&site, Version::HTTP_2).await;
    assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_loses_its_calls() {
    let limits = Limits::new().keep_alive_interval(SHORT / 2).keep_alive_timeout(SHORT);
    let site = Site::with(limits).await;
    let mut raw = Raw::open(&site).await;
    let body = frame(0, 1, 1, b"\"\"");
    let json = [&[0x5f, 16][..], JSON.as_bytes()].concat();
    raw.send([PREFACE, &frame(1, 4, 1, &[call(), json].concat()), &body].concat()).await;
    site.handlers(1).await;
    let begun = Instant::now();
    raw.closed().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "the default would be 50 s");
    site.handlers(0).await;

    // One that does keeps them.
    let mut wire = Wire::open(&site, Version::HTTP_2).await;
    let hanging = wire.start(post("/Lab/Hang", JSON, full("\"\"")));
    assert!(timeout(5 * SHORT, hanging).await.is_err());
    site.handlers(1).await;
}

#[tokio::test]
async fn a_connection_that_is_too_old_is_closed_when_its_calls_are_done() {
    let site = Site::with(Limits::new().max_connection_age(SHORT)).await;
    let tasks = Tasks::now();
    for version in BOTH {
        let begun = Instant::now();
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
        wire.closed().await;
        assert!(begun.elapsed() >= SHORT * 8 / 10);

        let mut wire = Wire::open(&site, version).await;
        let (sender, body) = crate::wire::piecemeal();
        sender.send("\"A".into()).unwrap();
        let call = wire.send(post("/Lab/Echo", JSON, body));
        let ends = async {
            tokio::time::sleep(3 * SHORT).await;
            sender.send("da\"".into()).unwrap();
            drop(sender);
        };
        let (answer, ()) = tokio::join!(call, ends);
        assert_eq!(answer.json(), "Ada", "it has no end but its own");
        let close = if version == Version::HTTP_11 { "close" } else { "" };
        assert_eq!(answer.header("connection"), close);
        wire.closed().await;
    }
    tasks.again().await;
}

#[tokio::test]
async fn a_head_that_is_on_its_way_when_its_connection_gets_too_old_is_served() {
    let site = Site::with(Limits::new().max_connection_age(SHORT)).await;
    let mut raw = Raw::open(&site).await;
    let request = request("/Lab/Echo", r#""Ada""#);
    let (begin, rest) = request.split_at(20);
    raw.send(begin).await;
    tokio::time::sleep(2 * SHORT).await;
    raw.send(rest).await;
    let (head, body) = raw.answer().await;
    assert!(head.contains("\r\nconnection: close"), "{head}");
    assert_eq!(body, r#""Ada""#);
    raw.closed().await;
}

#[tokio::test]
async fn calls_on_a_connection_that_is_too_old_are_cut_off_after_the_grace() {
    let site = Site::with(Limits::new().max_connection_age(SHORT).max_connection_age_grace(SHORT)).await;
    let tasks = Tasks::now();
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let begun = Instant::now();
        assert!(wire.start(post("/Lab/Hang", JSON, full("\"\""))).await.is_err());
        assert!(begun.elapsed() >= SHORT * 18 / 10);
        site.handlers(0).await;
    }
    tasks.again().await;
}

#[tokio::test]
async fn a_client_finds_a_new_connection_when_the_old_one_got_too_old() {
    let site = Site::with(Limits::new().max_connection_age(Duration::from_millis(200))).await;
    let client = micro::Client::builder().address(site.address()).build();
    let lab = crate::lab::LabClient::new(&client);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(900) {
        // One that is on its way when the connection closes goes out again on the next one.
        lab.echo(&micro::Context::new(), "Ada".to_owned()).await.unwrap();
    }
}

#[tokio::test]
async fn more_than_the_send_buffer_passes_it_in_pieces() {
    let site = Site::with(Limits::new().max_send_buffer(1024)).await;
    let mut wire = Wire::open(&site, Version::HTTP_2).await;
    let message = "x".repeat(1_000_000);
    let answer = wire.post("/Lab/Echo", JSON, Bytes::from(format!("\"{message}\""))).await;
    assert_eq!(answer.json(), message);
}

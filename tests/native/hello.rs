//! How a connection begins.

use std::time::Duration;

use micro::server::Limits;
use tokio::io::AsyncReadExt as _;

use crate::lab::{Site, Tasks};
use crate::soon::soon;
use crate::wire::{
    CREDIT, DATA, HELLO, LAST, PING, PREFACE, PROTOCOL, VERSION, Wire, ask, frame, hello, number, text,
};

#[tokio::test]
async fn a_server_answers_with_the_version_that_it_chose_and_with_its_settings() {
    let limits = Limits::new().max_concurrent_streams(7).call_window(1 << 17).max_header_size(9000);
    let site = Site::with(limits).await;
    let mut wire = Wire::connect(&site).await;
    wire.send(hello(&[1, 200], &[])).await;
    let frame = wire.opening().await;
    let settings = [(1, 7), (2, 1 << 17), (3, 16 << 20), (4, 128 << 10), (5, 9000), (6, 4096), (7, 0b110)];
    let settings: Vec<u8> =
        settings.iter().flat_map(|(name, value)| [number(*name), number(*value)].concat()).collect();
    assert_eq!((frame.kind, frame.flags, frame.call), (HELLO, 0, 0));
    assert_eq!(frame.payload, [text([1]), settings].concat());
}

#[tokio::test]
async fn settings_and_versions_of_tomorrow_are_passed_by() {
    let site = Site::start().await;
    let mut wire = Wire::connect(&site).await;
    wire.send(hello(&[9, 1, 77], &[(99, 5), (1_000_000, u64::MAX), (1, u64::MAX)])).await;
    assert_eq!(wire.opening().await.kind, HELLO);
    wire.works(1).await;
}

#[tokio::test]
async fn without_a_version_of_both_sides_there_is_no_connection() {
    let site = Site::start().await;
    for versions in [&[][..], &[0], &[2, 3]] {
        let mut wire = Wire::connect(&site).await;
        wire.send(hello(versions, &[])).await;
        let frame = wire.opening().await;
        assert_eq!((&frame.payload[..4], frame.payload[4]), (&[0; 4][..], VERSION));
        let text = String::from_utf8_lossy(&frame.payload[5..]);
        assert!(text.contains("[1]") && text.contains(&format!("{versions:?}")), "{text}");
        wire.closed().await;
    }
    site.still_serves().await;
}

#[tokio::test]
async fn settings_that_no_sender_could_live_with_are_refused() {
    let site = Site::start().await;
    for (name, value) in [(2, 65_535), (2, (1 << 30) + 1), (3, 0), (3, u64::MAX), (4, 16_383), (4, 1 << 24)] {
        let mut wire = Wire::connect(&site).await;
        wire.send(hello(&[1], &[(name, value)])).await;
        let frame = wire.opening().await;
        assert_eq!(frame.payload[4], PROTOCOL);
        wire.closed().await;
    }
    for (name, value) in [(2, 65_536), (2, 1 << 30), (4, 16_384), (4, (1 << 24) - 1)] {
        Wire::open_with(&site, &[(name, value)]).await.works(1).await;
    }
}

#[tokio::test]
async fn what_does_not_begin_as_this_does_is_taken_for_http() {
    let site = Site::start().await;
    for bytes in [&b"\xa9micrO\r\n"[..], b"\xa9\r\n\r\n", b"micro\r\n\r\n"] {
        let mut wire = Wire::connect(&site).await;
        wire.send(bytes).await;
        let mut said = Vec::new();
        let _ = soon(wire.io.read_to_end(&mut said)).await;
        assert!(said.is_empty() || said.starts_with(b"HTTP/1.1 400 "), "{}", String::from_utf8_lossy(&said));
    }
    site.still_serves().await;
}

#[tokio::test]
async fn a_first_frame_that_is_no_hello_ends_the_connection() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let huge = frame(HELLO, 0, 0, vec![0; 4097]);
    for first in [frame(PING, 0, 0, [0; 8]), ask(1, "Echo", r#""Ada""#), huge, vec![0xff; 20]] {
        let mut wire = Wire::connect(&site).await;
        wire.send([PREFACE, &first].concat()).await;
        wire.closed().await;
    }
    tasks.again().await;
}

#[tokio::test]
async fn a_beginning_that_never_ends_is_cut_off_after_the_header_timeout() {
    let site = Site::with(Limits::new().header_timeout(Duration::from_millis(100))).await;
    let tasks = Tasks::now();
    let whole = hello(&[1], &[]);
    for length in [1, PREFACE.len() - 1, PREFACE.len(), PREFACE.len() + 5, whole.len() - 1] {
        let mut wire = Wire::connect(&site).await;
        wire.send(&whole[..length]).await;
        wire.closed().await;
    }
    tasks.again().await;
}

#[tokio::test]
async fn a_second_hello_breaks_the_rules() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send(&hello(&[1], &[])[PREFACE.len()..]).await;
    let (last, reason, text) = wire.ends().await;
    assert_eq!((last, reason, &text[..]), (0, PROTOCOL, "a second `Hello`"));
}

#[tokio::test]
async fn a_call_may_follow_at_once_and_in_any_pieces() {
    let site = Site::start().await;
    let all = [hello(&[1], &[]), frame(CREDIT, 0, 0, [0; 4]), ask(1, "Echo", r#""Ada""#)].concat();
    for cut in 0..all.len() {
        let mut wire = Wire::connect(&site).await;
        wire.io.set_nodelay(true).unwrap();
        wire.send(&all[..cut]).await;
        tokio::task::yield_now().await;
        wire.send(&all[cut..]).await;
        assert_eq!(wire.opening().await.kind, HELLO);
        let answer = wire.next().await;
        assert_eq!((answer.kind, answer.flags, &answer.payload[..]), (DATA, LAST, &br#""Ada""#[..]));
    }
}

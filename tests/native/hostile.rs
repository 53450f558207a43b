//! Clients that mean harm. Whatever they send, what they make the server hold is bounded, the service goes
//! on, and nothing is left of them.

use std::time::Duration;

use micro::Context;
use micro::server::Limits;
use tokio::io::AsyncWriteExt as _;
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::lab::{Site, Tasks};
use crate::soon::soon;
use crate::wire::{
    ACK, CALL_WINDOW, DATA, FLOW, LAST, MESSAGE, MORE, PING, RESET, SILENCE, Wire, ask, frame, hello, open,
    route,
};

/// Sends the same again and again until the server does not take more, or closes. Returns how many bytes
/// it took.
async fn flood(wire: &mut Wire, bytes: &[u8], most: usize) -> usize {
    let mut taken = 0;
    while taken < most {
        match timeout(Duration::from_millis(500), wire.io.write_all(bytes)).await {
            Ok(Ok(())) => taken += bytes.len(),
            _ => break,
        }
    }
    taken
}

#[tokio::test]
async fn who_pings_and_does_not_read_the_answers_is_not_read_either() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let pings: Vec<u8> = (0..10_000).flat_map(|_| frame(PING, 0, 0, [7; 8])).collect();
    let taken = flood(&mut wire, &pings, 1 << 30).await;
    assert!(taken < 256 << 20, "{taken} bytes of pings were taken");
    drop(wire);
    site.still_serves().await;
}

#[tokio::test]
async fn empty_messages_use_up_the_window_of_their_call() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send(open(1, 0, "Stuck", b"")).await;
    let empty: Vec<u8> = (0..CALL_WINDOW / 32 + 1).flat_map(|_| frame(DATA, 0, 1, b"")).collect();
    wire.send(empty).await;
    assert_eq!(wire.ends().await.1, FLOW);
    site.still_serves().await;
}

#[tokio::test]
async fn who_asks_and_does_not_read_is_not_read_either_and_hears_of_all_calls_later() {
    let site = Site::start().await;
    let mut wire = Wire::open_with(&site, &[(2, 1 << 30), (3, 1 << 30), (4, (1 << 24) - 1)]).await;
    let mut calls = 0_u32;
    loop {
        let batch: Vec<u8> = (0..500).flat_map(|more| ask(calls + more + 1, "Letters", "30000")).collect();
        // Sent as a whole, or not counted.
        match timeout(Duration::from_millis(500), wire.io.write_all(&batch)).await {
            Ok(Ok(())) => calls += 500,
            _ => break,
        }
        assert!(calls < 500_000, "the server reads on, and keeps all of its answers");
    }
    // Those beyond the calls that may be open are refused.
    let mut heard = 0;
    while heard < calls {
        let frame = wire.next().await;
        assert!(frame.kind != DATA || frame.payload.len() == 30_002);
        heard += u32::from(frame.kind == DATA || frame.kind == RESET);
    }
}

#[tokio::test]
async fn errors_that_are_not_read_hold_the_client_up_as_well() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send(route(1, &format!("/Lab/{}", "x".repeat(900)), "json")).await;
    let mut calls = 0;
    let taken = loop {
        let batch: Vec<u8> =
            (0..10_000).flat_map(|more| frame(3, LAST | MESSAGE, calls + more + 1, b"\x01")).collect();
        match timeout(Duration::from_millis(500), wire.io.write_all(&batch)).await {
            Ok(Ok(())) => calls += 10_000,
            _ => break calls,
        }
        assert!(calls < 5_000_000, "the server reads on, and keeps all of its answers");
    };
    for _ in 0..taken {
        let _ = wire.failure().await;
    }
}

#[tokio::test]
async fn calls_that_are_broken_off_as_soon_as_they_begin_do_not_pile_up() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let mut wire = Wire::open(&site).await;
    let mut most = 0;
    let mut call = 0;
    for _ in 0..100 {
        let mut batch = Vec::new();
        for _ in 0..2000 {
            call += 1;
            batch.extend(ask(call, "Hang", r#""""#));
            batch.extend(frame(RESET, 0, call, [0]));
        }
        wire.send(batch).await;
        most = most.max(Handle::current().metrics().num_alive_tasks());
    }
    wire.works(call + 1).await;
    assert!(most < 20_000, "{most} tasks at once");
    drop(wire);
    tasks.again().await;
    site.still_serves().await;
}

#[tokio::test]
async fn a_peer_that_says_nothing_is_asked_and_then_disconnected() {
    let short = Duration::from_millis(100);
    let site = Site::with(Limits::new().keep_alive_interval(short).keep_alive_timeout(short)).await;
    let mut wire = Wire::open(&site).await;
    wire.send(ask(1, "Hang", r#""""#)).await;
    site.handlers(1).await;
    // Who answers stays.
    for _ in 0..5 {
        let ping = wire.next_of(PING).await;
        wire.send(frame(PING, ACK, 0, &ping.payload)).await;
    }
    assert_eq!(wire.next().await.kind, PING);
    let end = wire.try_next().await;
    assert!(end.is_none_or(|frame| frame.payload[4] == SILENCE));
    site.handlers(0).await;
}

#[tokio::test]
async fn a_connection_may_be_cut_anywhere() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let all = [
        hello(&[1], &[]),
        route(1, "/Lab/Sum", "json"),
        frame(3, MESSAGE, 1, b"\x011"),
        open(2, MESSAGE | MORE, "Echo", b"\"a"),
        ask(3, "Hang", r#""""#),
        frame(DATA, LAST, 2, b"b\""),
        frame(DATA, MORE, 1, b"2"),
        frame(PING, 0, 0, [0; 8]),
    ]
    .concat();
    for cut in 0..=all.len() {
        let mut wire = Wire::connect(&site).await;
        wire.send(&all[..cut]).await;
        if cut % 3 == 0 {
            soon(wire.io.shutdown()).await.unwrap();
            wire.closed().await;
        }
    }
    tasks.again().await;
    site.still_serves().await;
}

#[tokio::test]
async fn what_a_client_takes_back_of_a_stream_is_granted_again() {
    // The handler has taken over what has arrived and reads no more of it.
    let site = Site::with(Limits::new().connection_window(128 * 1024)).await;
    let mut wire = Wire::open(&site).await;
    for call in 1..=50 {
        wire.send(open(call, 0, "HalfStuck", b"")).await;
        for _ in 0..10 {
            wire.send(frame(DATA, 0, call, format!("\"{}\"", "x".repeat(5000)))).await;
        }
        site.handlers(1).await;
        // So that the handler has read its first message.
        wire.send(frame(PING, 0, 0, [0; 8])).await;
        wire.next_of(PING).await;
        tokio::task::yield_now().await;
        wire.send(frame(RESET, 0, call, [0])).await;
        site.handlers(0).await;
    }
    wire.works(51).await;
}

#[tokio::test]
async fn many_large_messages_at_once_do_not_wait_for_each_other() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    let text = "x".repeat(200 * 1024);
    let calls: Vec<_> = (0..250).map(|_| tokio::spawn(lab.length(&ctx, text.clone()).send())).collect();
    for call in calls {
        assert_eq!(soon(call).await.unwrap().unwrap(), text.len());
    }
}

//! The rules of frames and calls, broken once each by a client. What breaks a rule of the connection ends
//! it, with a reason; what is wrong with one call ends that call.

use crate::lab::{Site, Tasks};
use crate::wire::{
    CALL_WINDOW, CONNECTION_WINDOW, CREDIT, DATA, END, FLOW, GO_AWAY, HEAD, LAST, MAX_FRAME, MESSAGE,
    METADATA, MORE, OPEN, OVERHEAD, PING, PROTOCOL, RESET, ROUTE, TIMEOUT, Wire, ask, frame, metadata,
    number, open, route, text,
};

/// Sends this on a connection that is open, and returns how the server ends it.
async fn ends(frames: impl AsRef<[u8]>) -> (u8, String) {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let mut wire = Wire::open(&site).await;
    wire.send(frames).await;
    let (_, reason, text) = wire.ends().await;
    tasks.again().await;
    site.still_serves().await;
    (reason, text)
}

/// The same for a violation of the protocol, with a text that has this in it.
async fn violates(frames: impl AsRef<[u8]>, words: &str) {
    let (reason, text) = ends(frames).await;
    assert_eq!(reason, PROTOCOL, "{text}");
    assert!(text.contains(words), "{text}");
}

#[tokio::test]
async fn a_kind_that_is_not_known() {
    violates(frame(0x0b, 0, 0, b""), "a frame of the kind 11").await;
    violates(frame(0, 0, 0, b""), "a frame of the kind 0").await;
    violates(frame(0x7f, 0, 1, b"x"), "a frame of the kind 127").await;
}

#[tokio::test]
async fn kinds_of_extensions_are_passed_by() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    for kind in [0x80, 0xff] {
        wire.send(frame(kind, 0xff, 9, vec![7; 5000])).await;
    }
    wire.works(1).await;
}

#[tokio::test]
async fn flags_that_are_not_known_are_passed_by() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send(frame(PING, 0xfe, 77, [1; 8])).await;
    assert_eq!(wire.next().await.payload, [1; 8]);
    wire.works(1).await;
}

#[tokio::test]
async fn a_frame_that_is_too_large() {
    // Its head is enough.
    let head = &frame(DATA, 0, 1, vec![0; MAX_FRAME + 1])[..9];
    violates(head, "a frame of 131073 bytes, where the most are 131072").await;
}

#[tokio::test]
async fn what_only_a_server_sends() {
    violates(frame(HEAD, 0, 1, number(0)), "a client that sends Some(Head)").await;
}

#[tokio::test]
async fn numbers_of_calls_that_do_not_rise() {
    violates(ask(0, "Echo", "1"), "a call 0 behind 0").await;
    violates([ask(5, "Echo", r#""a""#), ask(5, "Echo", r#""a""#)].concat(), "a call 5 behind 5").await;
    violates([ask(5, "Echo", r#""a""#), ask(3, "Echo", r#""a""#)].concat(), "a call 3 behind 5").await;
}

#[tokio::test]
async fn numbers_of_routes_that_are_not_the_next() {
    violates(route(0, "/Lab/Echo", "json"), "a route with the number 0").await;
    violates(route(2, "/Lab/Echo", "json"), "a route with the number 2").await;
    let twice = [route(1, "/Lab/Echo", "json"), route(1, "/Lab/Echo", "json")].concat();
    violates(twice, "a route with the number 1").await;
}

#[tokio::test]
async fn more_routes_than_the_server_keeps() {
    let routes: Vec<u8> = (1..=4097).flat_map(|number| route(number, "/Lab/Echo", "json")).collect();
    violates(routes, "a route with the number 4097").await;
}

#[tokio::test]
async fn paths_and_codecs_that_are_too_long() {
    violates(route(1, &"x".repeat(1025), "json"), "a path of 1025 bytes").await;
    violates(route(1, "/Lab/Echo", &"x".repeat(129)), "a codec of 129").await;
}

#[tokio::test]
async fn a_call_on_a_route_that_is_not_named() {
    violates(frame(OPEN, MESSAGE | LAST, 1, number(1)), "a call on the route 1, which is not named").await;
    violates(frame(OPEN, MESSAGE | LAST, 1, number(u64::MAX)), "which is not named").await;
}

#[tokio::test]
async fn fields_that_are_cut_off_or_wrong() {
    let cut = "ends in the middle of a field";
    violates(frame(OPEN, 0, 1, b""), cut).await;
    violates(frame(OPEN, 0, 1, b"\0\x09/Lab"), cut).await;
    violates(frame(OPEN, 0, 1, b"\x80"), cut).await;
    violates(open(1, TIMEOUT, "Echo", b""), cut).await;
    violates(open(1, METADATA, "Echo", number(5)), cut).await;
    violates(open(1, METADATA, "Echo", number(u64::MAX)), cut).await;
    violates(frame(ROUTE, 0, 0, b""), cut).await;
    violates(frame(OPEN, 0, 1, [0xff; 12]), "a number of over 64 bits").await;
    let path = [number(1), text(b"\xff\xfe"), text("json")].concat();
    violates(frame(ROUTE, 0, 0, path), "a text that is not UTF-8").await;
}

#[tokio::test]
async fn pings_grants_and_farewells_of_other_sizes() {
    violates(frame(PING, 0, 0, [0; 7]), "a ping that is not of 8 bytes").await;
    violates(frame(PING, 0, 0, [0; 9]), "a ping that is not of 8 bytes").await;
    violates(frame(CREDIT, 0, 0, [0; 3]), "a grant that is not of 4 bytes").await;
    violates(frame(GO_AWAY, 0, 0, [0; 4]), "a `GoAway` that is too short").await;
}

#[tokio::test]
async fn more_metadata_than_the_server_takes() {
    let large = metadata(&[("x", &"y".repeat(16 * 1024))]);
    violates(open(1, METADATA, "Echo", large), "metadata of over 16384 bytes").await;
    // Many small ones count for what they take.
    let many = metadata(&vec![("x", ""); 500]);
    violates(open(1, METADATA, "Echo", many), "metadata of over 16384 bytes").await;
}

#[tokio::test]
async fn a_message_of_a_call_that_was_not_begun() {
    violates(frame(DATA, LAST, 1, "1"), "a message of a call that was not begun").await;
    violates([ask(1, "Echo", r#""a""#), frame(DATA, 0, 2, "1")].concat(), "was not begun").await;
}

#[tokio::test]
async fn a_message_behind_the_last_one() {
    let stream = open(1, MESSAGE | LAST, "Stuck", "1");
    violates([stream, frame(DATA, 0, 1, "2")].concat(), "a message behind the last one").await;
    let ended = [open(1, MESSAGE, "Stuck", "1"), frame(END, 0, 1, b""), frame(DATA, 0, 1, "2")].concat();
    violates(ended, "a message behind the last one").await;
}

#[tokio::test]
async fn more_than_the_window_of_a_call() {
    let piece = 1000;
    let fit = CALL_WINDOW / (piece + OVERHEAD);
    let mut frames = open(1, 0, "Stuck", b"");
    for _ in 0..fit {
        frames.extend(frame(DATA, 0, 1, vec![b'1'; piece]));
    }
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send(&frames).await;
    wire.works(2).await;
    wire.send(frame(DATA, 0, 1, vec![b'1'; piece])).await;
    let (_, reason, text) = wire.ends().await;
    assert_eq!((reason, &text[..]), (FLOW, "more was sent than the window of a call had room for"));
    site.still_serves().await;
}

#[tokio::test]
async fn more_than_the_window_of_the_connection() {
    let mut frames = Vec::new();
    let in_each = CALL_WINDOW - 2 * OVERHEAD;
    let calls = CONNECTION_WINDOW / CALL_WINDOW + 1;
    for call in 1..=u32::try_from(calls).unwrap() {
        frames.extend(open(call, 0, "Stuck", b""));
        for _ in 0..2 {
            frames.extend(frame(DATA, 0, call, vec![b'1'; in_each / 2]));
        }
    }
    let (reason, text) = ends(frames).await;
    assert_eq!((reason, &text[..]), (FLOW, "more was sent than the window of the connection had room for"));
}

#[tokio::test]
async fn grants_beyond_4_gib() {
    for call in [0, 1] {
        let grants =
            [open(1, 0, "Stuck", b""), frame(CREDIT, 0, call, [0xff; 4]), frame(CREDIT, 0, call, [0xff; 4])];
        let (reason, text) = ends(grants.concat()).await;
        assert_eq!((reason, &text[..]), (FLOW, "a window of over 4 GiB"));
    }
}

#[tokio::test]
async fn frames_for_calls_that_are_over_are_passed_by() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.works(3).await;
    for call in [1, 3] {
        wire.send(frame(DATA, MORE, call, "1")).await;
        wire.send(frame(END, 0, call, b"")).await;
        wire.send(frame(RESET, 0, call, b"")).await;
        wire.send(frame(CREDIT, 0, call, [0xff; 4])).await;
    }
    wire.works(4).await;
}

#[tokio::test]
async fn what_is_thrown_away_is_granted_again_on_the_connection() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.works(1).await;
    // Twice the window in all.
    for _ in 0..(2 * CONNECTION_WINDOW / MAX_FRAME) {
        wire.send(frame(DATA, 0, 1, vec![0; MAX_FRAME - OVERHEAD])).await;
    }
    wire.works(2).await;
}

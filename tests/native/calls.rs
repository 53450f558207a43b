//! What can be wrong with one call, which ends that call and nothing else.

use std::io::Write as _;
use std::time::Duration;

use flate2::Compression;
use flate2::write::GzEncoder;
use micro::server::Limits;
use micro::{Code, Context};
use tokio::time::Instant;

use crate::lab::{Site, Tasks};
use crate::soon::soon;
use crate::wire::{
    COMPRESSED, DATA, END, FAILED, LAST, MESSAGE, METADATA, MORE, OPEN, RESET, TIMEOUT, Wire, ask, frame,
    hello, metadata, number, open, route,
};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![1], Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Makes a call that fails with this code and a text that has this in it, on a connection that works on.
async fn fails(site: &Site, frames: impl AsRef<[u8]>, code: Code, words: &str) {
    let mut wire = Wire::open(site).await;
    wire.send(frames).await;
    let (failed, text) = wire.failure().await;
    assert_eq!(Code::from_number(failed.into()), Some(code), "{text}");
    assert!(text.contains(words), "{text}");
    wire.works(1000).await;
    site.handlers(0).await;
}

#[tokio::test]
async fn a_method_or_a_codec_that_is_not_known() {
    let site = Site::start().await;
    fails(&site, ask(1, "Nothing", "1"), Code::Unimplemented, "`Lab` has no method `Nothing`").await;
    let with_codec = [number(0), b"\x09/Lab/Echo\x04yaml1".to_vec()].concat();
    let open = frame(OPEN, MESSAGE | LAST, 1, with_codec);
    fails(&site, open, Code::Unimplemented, "does not read the codec `yaml`; known: json").await;
    // The same on a route with a number, which is kept.
    let named = [route(1, "/Lab/Nothing", "json"), frame(OPEN, MESSAGE | LAST, 1, b"\x011")].concat();
    fails(&site, named, Code::Unimplemented, "`Lab` has no method `Nothing`").await;
}

#[tokio::test]
async fn a_message_that_cannot_be_read() {
    let site = Site::start().await;
    fails(&site, ask(1, "Echo", "Ada"), Code::InvalidArgument, "").await;
    fails(&site, ask(1, "Echo", ""), Code::InvalidArgument, "").await;
}

#[tokio::test]
async fn a_message_that_is_too_large_in_one_piece_or_in_many() {
    let site = Site::with(Limits::new().max_message_size(1000)).await;
    let large = vec![b'x'; 1001];
    let one = open(1, MESSAGE | LAST, "Echo", &large);
    fails(&site, one, Code::ResourceExhausted, "a message of 1001 bytes is larger than the limit of 1000")
        .await;
    let later = [open(1, 0, "Echo", b""), frame(DATA, LAST, 1, &large)].concat();
    fails(&site, later, Code::ResourceExhausted, "the limit of 1000 bytes").await;
    let pieces =
        [open(1, MESSAGE | MORE, "Echo", &large[..600]), frame(DATA, MORE, 1, &large[..600])].concat();
    fails(&site, pieces, Code::ResourceExhausted, "at least 1200 bytes").await;
    let stream = [open(1, 0, "Sum", b""), frame(DATA, MORE, 1, &large)].concat();
    fails(&site, stream, Code::ResourceExhausted, "the limit of 1000 bytes").await;
}

#[tokio::test]
async fn what_is_compressed_and_cannot_be_read() {
    let site = Site::start().await;
    let with = |message: &[u8]| open(1, MESSAGE | LAST | COMPRESSED, "Length", message);
    fails(&site, with(b""), Code::Unimplemented, "the compression with the number 0").await;
    fails(&site, with(b"\x09abc"), Code::Unimplemented, "the compression with the number 9").await;
    fails(&site, with(b"\x01garbage"), Code::InvalidArgument, "gzip").await;
    fails(&site, with(b"\x02garbage"), Code::InvalidArgument, "zstd").await;
    let cut = gzip(br#""text""#);
    fails(&site, with(&cut[..cut.len() - 9]), Code::InvalidArgument, "gzip").await;
}

#[tokio::test]
async fn a_message_that_is_too_large_once_it_is_decompressed() {
    let site = Site::with(Limits::new().max_message_size(100_000)).await;
    let bomb = gzip(&vec![b' '; 50 << 20]);
    assert!(bomb.len() < 60_000);
    let one = open(1, MESSAGE | LAST | COMPRESSED, "Length", &bomb);
    fails(&site, one, Code::ResourceExhausted, "the limit of 100000 bytes").await;
    let (a, b) = bomb.split_at(20_000);
    let pieces = [open(1, MESSAGE | MORE | COMPRESSED, "Length", a), frame(DATA, LAST, 1, b)].concat();
    fails(&site, pieces, Code::ResourceExhausted, "the limit of 100000 bytes").await;
}

#[tokio::test]
async fn a_request_that_ends_without_its_message_or_in_the_middle_of_one() {
    let site = Site::start().await;
    let none = "the request ended without its message";
    fails(&site, open(1, LAST, "Echo", b""), Code::InvalidArgument, none).await;
    let ended = [open(1, 0, "Echo", b""), frame(END, 0, 1, b"")].concat();
    fails(&site, ended, Code::InvalidArgument, none).await;
    let middle = "the request ended in the middle of a message";
    for method in ["Echo", "Sum"] {
        let cut = [open(1, MESSAGE | MORE, method, b"1"), frame(END, 0, 1, b"")].concat();
        fails(&site, cut, Code::InvalidArgument, middle).await;
    }
}

#[tokio::test]
async fn a_message_whose_rest_does_not_come() {
    let site = Site::with(Limits::new().body_timeout(Duration::from_millis(80))).await;
    let words = "no byte of the message's rest arrived for 80ms (the option `body_timeout`)";
    let waiting = [
        open(1, 0, "Echo", b""),
        open(1, MESSAGE | MORE, "Echo", b"\""),
        open(1, MESSAGE | MORE, "Sum", b"1"),
        [open(1, 0, "Echo", b""), frame(DATA, MORE, 1, b"\"")].concat(),
        [open(1, 0, "Sum", b""), frame(DATA, MORE, 1, b"1")].concat(),
    ];
    for frames in waiting {
        fails(&site, frames, Code::DeadlineExceeded, words).await;
    }
    // A stream may be silent between its messages.
    let mut wire = Wire::open(&site).await;
    wire.send([open(1, MESSAGE, "Sum", b"1")].concat()).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    wire.send(frame(DATA, LAST, 1, b"2")).await;
    assert_eq!(wire.next_of(DATA).await.payload, b"3");
}

#[tokio::test]
async fn calls_beyond_those_that_may_be_open_are_refused_and_the_others_go_on() {
    let site = Site::with(Limits::new().max_concurrent_streams(2)).await;
    let mut wire = Wire::open(&site).await;
    wire.send([open(1, 0, "Sum", b""), open(2, 0, "Echo", b""), ask(3, "Echo", r#""a""#)].concat()).await;
    let refused = wire.next().await;
    assert_eq!((refused.kind, refused.call, &refused.payload[..]), (RESET, 3, &[1][..]));
    wire.send([frame(DATA, LAST, 2, r#""b""#), frame(DATA, LAST, 1, b"7")].concat()).await;
    let mut answers = [wire.next_of(DATA).await, wire.next_of(DATA).await];
    answers.sort_by_key(|frame| frame.call);
    assert_eq!(answers.map(|frame| frame.payload), [b"7".to_vec(), br#""b""#.to_vec()]);
    wire.works(4).await;
}

#[tokio::test]
async fn a_client_waits_for_a_place_and_one_that_waits_no_longer_passes_it_on() {
    let site = Site::with(Limits::new().max_concurrent_streams(1)).await;
    let lab = site.client();
    let ctx = Context::new();
    let call = |ms| tokio::spawn(lab.hang(&ctx, String::new()).timeout(Duration::from_millis(ms)).send());
    let first = call(20_000);
    site.handlers(1).await;
    let mut waiting: Vec<_> = (0..5).map(|_| tokio::spawn(lab.echo(&ctx, "Ada".to_owned()).send())).collect();
    tokio::task::yield_now().await;
    // Those in the middle give up, and what they were woken for is not lost.
    waiting.remove(0).abort();
    waiting.remove(1).abort();
    first.abort();
    for call in waiting {
        assert_eq!(soon(call).await.unwrap().unwrap(), "Ada");
    }
    // A place is free again after each of many that give up while they are woken.
    for _ in 0..50 {
        let calls: Vec<_> = (0..8).map(|_| tokio::spawn(lab.late(&ctx, "Ada".to_owned()).send())).collect();
        for call in calls.iter().step_by(2) {
            tokio::task::yield_now().await;
            call.abort();
        }
        for call in calls.into_iter().skip(1).step_by(2) {
            assert_eq!(soon(call).await.unwrap().unwrap(), "Ada");
        }
    }
}

#[tokio::test]
async fn a_call_that_is_reset_is_over_for_its_handler() {
    let site = Site::start().await;
    let tasks = Tasks::now();
    let mut wire = Wire::open(&site).await;
    wire.send([ask(1, "Hang", r#""a""#), open(2, MESSAGE, "Sum", b"1"), open(3, 0, "Stuck", b"")].concat())
        .await;
    site.handlers(3).await;
    for call in 1..=3 {
        wire.send(frame(RESET, 0, call, [0])).await;
    }
    site.handlers(0).await;
    wire.works(4).await;
    drop(wire);
    tasks.again().await;
}

#[tokio::test]
async fn a_timeout_is_in_microseconds_and_the_largest_is_as_good_as_none() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send(open(
        1,
        MESSAGE | LAST | TIMEOUT,
        "Remaining",
        [number(90_000_000), b"\"\"".to_vec()].concat(),
    ))
    .await;
    let left: u64 = String::from_utf8(wire.next_of(DATA).await.payload).unwrap().parse().unwrap();
    assert!((60_000..=90_000).contains(&left), "{left}");
    let longest = [number(u64::MAX), b"\"\"".to_vec()].concat();
    wire.send(open(2, MESSAGE | LAST | TIMEOUT, "Remaining", longest)).await;
    assert_eq!(wire.next().await.call, 2);
    let began = Instant::now();
    wire.send(open(3, MESSAGE | LAST | TIMEOUT, "Hang", [number(20_000), b"\"\"".to_vec()].concat())).await;
    let (code, text) = wire.failure().await;
    assert_eq!(Code::from_number(code.into()), Some(Code::DeadlineExceeded), "{text}");
    assert!(began.elapsed() < Duration::from_secs(10));
    site.handlers(0).await;
    let none = open(4, MESSAGE | LAST | TIMEOUT, "Hang", [number(0), b"\"\"".to_vec()].concat());
    wire.send(none).await;
    assert_eq!(Code::from_number(wire.failure().await.0.into()), Some(Code::DeadlineExceeded));
    wire.works(5).await;
}

#[tokio::test]
async fn metadata_stands_around_the_answer() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let word = metadata(&[("word", "tea")]);
    wire.send(open(1, MESSAGE | LAST | METADATA, "Echo", [word, br#""a""#.to_vec()].concat())).await;
    let frames = [wire.next().await, wire.next().await, wire.next().await];
    let kinds = frames.clone().map(|frame| (frame.kind, frame.flags));
    assert_eq!(kinds, [(crate::wire::HEAD, 0), (DATA, 0), (END, METADATA)]);
    assert_eq!(frames[0].payload, metadata(&[("head", "tea")]));
    assert_eq!(frames[2].payload, metadata(&[("tail", "tea")]));
    // An entry that cannot be metadata is left out.
    let odd = metadata(&[("", "x"), ("Wörd", "x"), ("word", "coffee")]);
    wire.send(open(2, MESSAGE | LAST | METADATA, "Echo", [odd, br#""a""#.to_vec()].concat())).await;
    assert_eq!(wire.next().await.payload, metadata(&[("head", "coffee")]));
}

#[tokio::test]
async fn an_error_that_no_frame_of_the_client_holds_is_cut_short() {
    let site = Site::start().await;
    let mut wire = Wire::connect(&site).await;
    wire.send(hello(&[1], &[(4, 16 * 1024)])).await;
    wire.opening().await;
    for sizes in ["[100,20000]", "[20000,0]", "[300000,300000]"] {
        wire.send(ask(
            if sizes.starts_with("[1") { 1 } else { 2 } + u32::from(sizes.len() > 12),
            "Complain",
            sizes,
        ))
        .await;
        let frame = wire.next_of(END).await;
        assert!(frame.payload.len() < 16 * 1024 && frame.flags & FAILED != 0, "{}", frame.payload.len());
        assert_eq!(Code::from_number(frame.payload[0].into()), Some(Code::OutOfRange));
    }
    wire.works(10).await;
}

#[tokio::test]
async fn what_follows_the_request_of_a_call_that_runs_is_thrown_away() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    wire.send(open(1, MESSAGE, "Hang", r#""a""#)).await;
    site.handlers(1).await;
    for _ in 0..7 {
        wire.send(frame(DATA, 0, 1, vec![b'x'; 30_000])).await;
    }
    wire.works(2).await;
    wire.send(frame(RESET, 0, 1, [0])).await;
    site.still_serves().await;
}

#[tokio::test]
async fn a_handler_that_panics_fails_its_call_alone() {
    let site = Site::start().await;
    let (lab, ctx) = (site.client(), Context::new());
    let hanging = tokio::spawn(lab.hang(&ctx, String::new()).send());
    site.handlers(1).await;
    let error = soon(lab.panic(&ctx, String::new()).send()).await.unwrap_err();
    assert_eq!(error.code(), Code::Internal);
    assert_eq!(soon(lab.echo(&ctx, "Ada".to_owned()).send()).await.unwrap(), "Ada");
    assert!(!hanging.is_finished());
    hanging.abort();
    site.handlers(0).await;
}

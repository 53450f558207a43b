use http::{Version, header};
use micro::server::Limits;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::raw::{Raw, request};
use crate::wire::{BOTH, JSON, STREAM, Wire, chunked, envelopes, full, json_of, post};

const LIMIT: usize = 10_000;

async fn site() -> Site {
    Site::with(Limits::new().max_message_size(LIMIT)).await
}

fn names_both_sizes(message: &str, size: &str) {
    let words = format!("a message of {size} bytes is larger than the limit of {LIMIT} bytes");
    assert!(message.contains(&words), "{message}");
    assert!(message.contains("`max_message_size`"), "{message}");
}

#[tokio::test]
async fn a_message_of_exactly_the_limit_is_taken_and_one_byte_more_is_not() {
    let site = site().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Length", JSON, json_of(LIMIT)).await.json(), LIMIT - 2);
        let message =
            wire.post("/Lab/Length", JSON, json_of(LIMIT + 1)).await.error(429, "resource_exhausted");
        names_both_sizes(&message, &(LIMIT + 1).to_string());
        // The connection goes on.
        assert_eq!(wire.post("/Lab/Length", JSON, json_of(LIMIT)).await.json(), LIMIT - 2);
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn the_limit_holds_for_a_body_whose_size_was_not_announced() {
    let site = site().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let exact = json_of(LIMIT);
        let chunks = exact.chunks(333).map(|chunk| chunk.to_vec().into()).collect();
        assert_eq!(wire.send(post("/Lab/Length", JSON, chunked(chunks))).await.json(), LIMIT - 2);

        let chunks = vec![vec![b'x'; 1_000].into(); 15];
        let answer = wire.send(post("/Lab/Length", JSON, chunked(chunks))).await;
        let message = answer.error(429, "resource_exhausted");
        let size = message.split("at least ").nth(1).unwrap().split(' ').next().unwrap();
        names_both_sizes(&message.replace("at least ", ""), size);
        assert!((LIMIT + 1..=15_000).contains(&size.parse().unwrap()), "{message}");
        assert_eq!(wire.post("/Lab/Length", JSON, json_of(9)).await.json(), 7);
    }
}

#[tokio::test]
async fn a_body_that_is_far_too_large_is_answered_before_it_has_arrived() {
    let site = site().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.post("/Lab/Length", JSON, json_of(50_000_000)).await;
        names_both_sizes(&answer.error(429, "resource_exhausted"), "50000000");
    }
}

#[tokio::test]
async fn an_announced_size_is_enough_to_be_refused() {
    let site = site().await;
    let mut raw = Raw::open(&site).await;
    raw.send(crate::raw::head("/Lab/Length", 1_000_000_000_000_000)).await;
    let (head, body) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    names_both_sizes(&body, "1000000000000000");
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_to_go_on_is_not_told_so() {
    let site = site().await;
    let mut raw = Raw::open(&site).await;
    let head = crate::raw::head("/Lab/Length", LIMIT + 1);
    raw.send(head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n")).await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    // What would follow cannot be told from a body that comes after all.
    assert_eq!(raw.closed().await, "");

    let mut raw = Raw::open(&site).await;
    let head = crate::raw::head("/Lab/Length", 5);
    raw.send(head.replace("\r\n\r\n", "\r\nexpect: 100-continue\r\n\r\n")).await;
    assert!(raw.answer().await.0.starts_with("HTTP/1.1 100 "));
    raw.send("\"Ada\"").await;
    assert_eq!(raw.answer().await.1, "3");
}

#[tokio::test]
async fn a_client_that_writes_everything_before_it_reads_gets_its_answer() {
    let site = site().await;
    let mut raw = Raw::open(&site).await;
    raw.send(request("/Lab/Length", &"x".repeat(2 * LIMIT))).await;
    let (head, _) = raw.answer().await;
    assert!(head.starts_with("HTTP/1.1 429 "), "{head}");
    // The body was taken in, so the connection goes on.
    raw.send(request("/Lab/Echo", r#""Ada""#)).await;
    assert_eq!(raw.answer().await.1, r#""Ada""#);
}

#[tokio::test]
async fn an_envelope_over_the_limit_ends_the_stream_before_it_is_read() {
    let site = site().await;
    let announced = [&[0][..], &u32::MAX.to_be_bytes(), b"1"].concat();
    for version in BOTH {
        for path in ["/Lab/Count", "/Lab/Sum", "/Lab/Double"] {
            let mut wire = Wire::open(&site, version).await;
            let answer = wire.post(path, STREAM, announced.clone()).await;
            let (messages, message) = answer.stream_error("resource_exhausted");
            assert!(messages.is_empty());
            names_both_sizes(&message, &u32::MAX.to_string());
        }
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn the_limit_is_for_one_message_and_not_for_a_stream_of_them() {
    let site = site().await;
    let messages = vec![envelope(0, "1"); LIMIT];
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let (sums, _) = wire.post("/Lab/Sum", STREAM, messages.concat()).await.stream();
        assert_eq!(sums, [LIMIT]);
    }
}

#[tokio::test]
async fn the_default_limit_is_four_mebibytes() {
    const MIB: usize = 1024 * 1024;
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Length", JSON, json_of(4 * MIB)).await.json(), 4 * MIB - 2);
        let message =
            wire.post("/Lab/Length", JSON, json_of(4 * MIB + 1)).await.error(429, "resource_exhausted");
        assert!(message.contains("4194305 bytes is larger than the limit of 4194304 bytes"), "{message}");
    }
}

#[tokio::test]
async fn a_long_answer_arrives_whole() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let mut request = post("/Lab/Count", STREAM, full(envelope(0, "100000")));
        if version == Version::HTTP_11 {
            request.headers_mut().insert(header::CONNECTION, "close".parse().unwrap());
        }
        let answer = wire.send(request).await;
        assert_eq!(envelopes(&answer.body).len(), 100_001);
    }
}

#[tokio::test]
async fn metadata_that_clients_do_not_take_is_an_error_that_says_so() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Label", JSON, "[7000, 7000]").await.status, 200);
        for (sizes, name) in [("[20000, 1]", "`x-head`"), ("[1, 20000]", "`trailer-x-tail`")] {
            let message = wire.post("/Lab/Label", JSON, sizes).await.error(500, "internal");
            assert!(message.contains("metadata on the answer, and clients take 15360"), "{message}");
            assert!(message.contains(name), "{message}");
        }
        let answer = wire.post("/Lab/Labels", STREAM, envelope(0, "[20000, 1]")).await;
        let (messages, message) = answer.stream_error("internal");
        assert!(messages.is_empty());
        assert!(message.contains("`x-head`"), "{message}");
        site.handlers(0).await;
        // The trailers of a stream are no headers.
        let (messages, _) = wire.post("/Lab/Labels", STREAM, envelope(0, "[1, 20000]")).await.stream();
        assert_eq!(messages, [1]);
    }
}

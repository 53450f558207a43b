//! Compressed messages, both ways.

use std::io::{Read as _, Write as _};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{Request, Version};
use micro::server::Limits;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::wire::{BOTH, Body, JSON, STREAM, Wire, envelopes, full, json_of, post};

fn gzip(message: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(message).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(message: &[u8]) -> Vec<u8> {
    let mut read = Vec::new();
    GzDecoder::new(message).read_to_end(&mut read).unwrap();
    read
}

/// A request with these headers as well.
fn with(mut request: Request<Body>, headers: &[(&'static str, &str)]) -> Request<Body> {
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    request
}

#[tokio::test]
async fn a_compressed_message_is_read_and_its_answer_is_compressed_alike() {
    let site = Site::start().await;
    let text = json_of(5000);
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let request = post("/Lab/Echo", JSON, full(gzip(&text)));
        let answer = wire.send(with(request, &[("content-encoding", "gzip")])).await;
        assert_eq!((answer.status.as_u16(), answer.header("content-encoding")), (200, "gzip"));
        assert!(answer.body.len() < 200);
        assert_eq!(gunzip(&answer.body), text);
    }
}

#[tokio::test]
async fn who_does_not_compress_gets_nothing_compressed() {
    let site = Site::start().await;
    let request = with(post("/Lab/Echo", JSON, full(json_of(5000))), &[("accept-encoding", "gzip")]);
    let answer = Wire::open(&site, Version::HTTP_11).await.send(request).await;
    assert_eq!((answer.header("content-encoding"), answer.body.len()), ("", 5000));
}

#[tokio::test]
async fn a_service_that_compresses_does_so_from_a_size_on_for_those_who_accept_it() {
    let site = Site::of(|service| service.compress(1000)).await;
    let mut wire = Wire::open(&site, Version::HTTP_11).await;
    let mut encoding = async |size, accept: &str| {
        let request = post("/Lab/Echo", JSON, full(json_of(size)));
        let answer = wire.send(with(request, &[("accept-encoding", accept)])).await;
        let body = if answer.header("content-encoding") == "gzip" {
            gunzip(&answer.body)
        } else {
            answer.body.to_vec()
        };
        assert_eq!(body.len(), size);
        answer.header("content-encoding").to_owned()
    };
    assert_eq!(encoding(1000, "br;q=1.0, gzip;q=0.8").await, "gzip");
    assert_eq!(encoding(999, "gzip").await, "");
    assert_eq!(encoding(1000, "br").await, "");
    assert_eq!(encoding(1000, "gzip;q=0").await, "");
}

#[tokio::test]
async fn messages_of_a_stream_are_compressed_each_by_itself() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        // The second one is not compressed, which each message may decide.
        let body = [envelope(1, gzip(b"20")), envelope(0, "1")].concat();
        let request = with(post("/Lab/Sum", STREAM, full(body)), &[("connect-content-encoding", "gzip")]);
        assert_eq!(wire.send(request).await.stream().0, [21]);
        // What comes back is too short to be worth it.
        let body = envelope(1, gzip(b"3"));
        let request = with(post("/Lab/Count", STREAM, full(body)), &[("connect-content-encoding", "gzip")]);
        let answer = wire.send(request).await;
        assert_eq!(answer.header("connect-content-encoding"), "gzip");
        assert_eq!(answer.stream().0, [1, 2, 3]);
        assert!(envelopes(&answer.body).iter().all(|(flags, _)| flags & 1 == 0));
    }
}

#[tokio::test]
async fn a_compression_that_is_not_known_is_refused_with_those_that_are() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let request = with(post("/Lab/Echo", JSON, full("1")), &[("content-encoding", "br")]);
        let message = wire.send(request).await.error(501, "unimplemented");
        assert!(
            message.contains("`br` (content-encoding); known: ") && message.contains("gzip"),
            "{message}"
        );
        let request = with(post("/Lab/Sum", STREAM, full("")), &[("connect-content-encoding", "br")]);
        let message = wire.send(request).await.stream_error("unimplemented").1;
        assert!(message.contains("`br` (connect-content-encoding); known: "), "{message}");
    }
}

#[tokio::test]
async fn a_message_marked_as_compressed_without_a_word_how_is_refused() {
    let site = Site::start().await;
    for version in BOTH {
        for path in ["/Lab/Count", "/Lab/Sum", "/Lab/Double"] {
            let answer = Wire::open(&site, version).await.post(path, STREAM, envelope(1, "1")).await;
            let message = answer.stream_error("internal").1;
            assert_eq!(message, "a message is marked as compressed, and no header says how");
        }
    }
}

#[tokio::test]
async fn the_limit_of_a_message_holds_once_it_is_decompressed() {
    let site = Site::with(Limits::new().max_message_size(10_000)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for (size, fits) in [(10_000, true), (10_001, false), (1_000_000, false)] {
            let body = gzip(&json_of(size));
            let request = post("/Lab/Length", JSON, full(body.clone()));
            let answer = wire.send(with(request, &[("content-encoding", "gzip")])).await;
            if fits {
                assert_eq!(answer.json(), size - 2);
            } else {
                let message = answer.error(429, "resource_exhausted");
                assert!(message.contains("`max_message_size`"), "{message}");
            }
            let request = post("/Lab/Count", STREAM, full(envelope(1, body)));
            let answer = wire.send(with(request, &[("connect-content-encoding", "gzip")])).await;
            let code = if fits { "invalid_argument" } else { "resource_exhausted" };
            answer.stream_error(code);
        }
    }
}

#[tokio::test]
async fn what_is_not_compressed_as_it_says_is_malformed() {
    let site = Site::start().await;
    let request = with(post("/Lab/Echo", JSON, full("plain")), &[("content-encoding", "gzip")]);
    let answer = Wire::open(&site, Version::HTTP_11).await.send(request).await;
    let message = answer.error(400, "invalid_argument");
    assert!(message.contains("the message is not valid gzip"), "{message}");
}

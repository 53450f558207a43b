//! gRPC-Web on the wire.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, Version};

use crate::envelope::envelope;
use crate::lab::Site;
use crate::wire::{Answer, Body, call, open_body, send, with};

pub(crate) const WEB: &str = "application/grpc-web+json";
pub(crate) const TEXT: &str = "application/grpc-web-text+json";
const BOTH: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];

fn over(version: Version, mut request: Request<Body>) -> Request<Body> {
    *request.version_mut() = version;
    request
}

/// The messages in front of the trailers, and the trailers.
pub(crate) fn parts(mut body: &[u8]) -> (Vec<String>, String) {
    let mut messages = Vec::new();
    loop {
        let length = u32::from_be_bytes(body[1..5].try_into().unwrap()) as usize;
        let (envelope, rest) = body.split_at(5 + length);
        let message = String::from_utf8(envelope[5..].to_vec()).unwrap();
        if envelope[0] == 0x80 {
            assert!(rest.is_empty(), "nothing is behind the trailers");
            return (messages, message);
        }
        assert_eq!(envelope[0], 0);
        messages.push(message);
        body = rest;
    }
}

fn checked(answer: &Answer, content_type: &str) {
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, content_type));
    assert!(answer.trailers.is_none(), "{answer:?}");
}

#[tokio::test]
async fn the_trailers_are_the_last_envelope_of_the_body() {
    let site = Site::start().await;
    for version in BOTH {
        let request = with(call("Echo", WEB, envelope(0, r#""Ada""#)), "tenant", "acme");
        let answer = send(&site, over(version, request)).await;
        checked(&answer, WEB);
        assert_eq!(answer.header("head-tenant"), "acme");
        let (messages, trailers) = parts(&answer.body);
        assert_eq!(messages, [r#""Ada""#]);
        assert_eq!(trailers.lines().next(), Some("grpc-status: 0"));
        assert!(trailers.contains("tail-tenant: acme\r\n"), "{trailers}");

        let answer = send(&site, over(version, call("Count", WEB, envelope(0, "3")))).await;
        assert_eq!(parts(&answer.body).0, ["1", "2", "3"]);
        let answer =
            send(&site, over(version, call("Sum", WEB, [envelope(0, "3"), envelope(0, "4")].concat()))).await;
        assert_eq!(parts(&answer.body).0, ["7"]);
    }
}

#[tokio::test]
async fn an_error_is_in_the_body_where_every_page_sees_it() {
    let site = Site::start().await;
    for version in BOTH {
        for (method, status) in [("Fail", "9"), ("Nope", "12"), ("FailAfter", "3")] {
            let answer = send(&site, over(version, call(method, WEB, envelope(0, r#""no""#)))).await;
            assert_eq!(answer.status, 200);
            assert!(answer.header("grpc-status").is_empty());
            let (messages, trailers) = parts(&answer.body);
            assert!(messages.is_empty());
            assert_eq!(trailers.lines().next(), Some(&format!("grpc-status: {status}")[..]));
        }
    }
}

/// Base64 in pieces of so many bytes, each padded on its own.
fn pieces(bytes: &[u8], size: usize) -> String {
    bytes.chunks(size).map(|piece| STANDARD.encode(piece)).collect()
}

/// The bytes of padded pieces.
pub(crate) fn whole(text: &[u8]) -> Vec<u8> {
    text.chunks(4).flat_map(|four| STANDARD.decode(four).unwrap()).collect()
}

#[tokio::test]
async fn the_text_form_is_base64_both_ways() {
    let site = Site::start().await;
    for version in BOTH {
        for size in [1, 2, 3, 7, 1000] {
            let request = call("Sum", TEXT, pieces(&[envelope(0, "30"), envelope(0, "12")].concat(), size));
            let answer = send(&site, over(version, request)).await;
            checked(&answer, TEXT);
            let (messages, trailers) = parts(&whole(&answer.body));
            assert_eq!((messages, &trailers[..]), (vec!["42".to_owned()], "grpc-status: 0\r\n"));
        }
        let answer = send(&site, over(version, call("Echo", TEXT, "AAAA*"))).await;
        let (_, trailers) = parts(&whole(&answer.body));
        assert!(trailers.starts_with("grpc-status: 3\r\n") && trailers.contains("base64"), "{trailers}");
    }
}

#[tokio::test]
async fn a_page_that_says_that_there_is_no_call_is_text_in_any_form() {
    let site = Site::start().await;
    for content_type in [WEB, TEXT] {
        for version in BOTH {
            let mut request = over(version, call("Echo", content_type, ""));
            *request.method_mut() = Method::PUT;
            let answer = send(&site, request).await;
            assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));
            assert!(answer.body.starts_with(b"a call of gRPC is made with POST"));
        }
    }
}

#[tokio::test]
async fn a_stream_is_answered_while_it_is_sent() {
    let site = Site::start().await;
    let (body, held) = open_body(envelope(0, "21"));
    let (head, _) = call("Double", WEB, "").into_parts();
    let response = crate::wire::start(&site, Request::from_parts(head, body)).await;
    let mut body = response.into_body();
    let first = crate::soon::soon(http_body_util::BodyExt::frame(&mut body)).await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), envelope(0, "42"));
    drop(held);
}

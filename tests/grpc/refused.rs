//! Requests that are wrong, and what they are told.

use http::{Method, Version};

use crate::envelope::envelope;
use crate::lab::Site;
use crate::wire::{GRPC, JSON, call, send, with};

#[tokio::test]
async fn what_nobody_serves_is_unimplemented_and_the_answer_names_what_there_is() {
    let site = Site::start().await;
    let mut request = call("Nope", GRPC, envelope(0, ""));
    assert!(send(&site, request).await.refusal("12").contains("it has: Count, Double, Echo"));
    request = call("Echo", GRPC, envelope(0, ""));
    *request.uri_mut() = "http://lab/lab.v9.Lab/Echo".parse().unwrap();
    assert!(send(&site, request).await.refusal("12").contains("known services: lab.v1.Lab"));
}

#[tokio::test]
async fn a_codec_that_is_not_there_is_unimplemented_and_the_answer_names_those_that_are() {
    let site = Site::start().await;
    let answer = send(&site, call("Echo", "application/grpc+thrift", envelope(0, "x"))).await;
    let known = "send one of: application/grpc+json, application/grpc+proto";
    assert!(answer.refusal("12").contains(known), "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/grpc+thrift");
}

#[tokio::test]
async fn a_compression_that_is_not_there_is_unimplemented_and_the_answer_says_which_are() {
    let site = Site::start().await;
    let answer = send(&site, with(call("Echo", JSON, envelope(1, "x")), "grpc-encoding", "br")).await;
    assert!(answer.refusal("12").contains("`br`"), "{answer:?}");
    if cfg!(feature = "gzip") {
        assert!(answer.header("grpc-accept-encoding").contains("gzip"), "{answer:?}");
    }
    for encoding in [None, Some("identity")] {
        let mut request = call("Echo", JSON, envelope(1, r#""Ada""#));
        if let Some(encoding) = encoding {
            request = with(request, "grpc-encoding", encoding);
        }
        assert!(send(&site, request).await.refusal("13").contains("marked as compressed"));
    }
}

#[tokio::test]
async fn a_timeout_that_is_none_is_an_invalid_argument() {
    let site = Site::start().await;
    for timeout in ["", "5", "5s", "123456789m", "-5m", "m"] {
        let request = with(call("Echo", JSON, envelope(0, r#""Ada""#)), "grpc-timeout", timeout);
        let answer = send(&site, request).await;
        assert!(answer.refusal("3").contains(&format!("`grpc-timeout: {timeout}`")), "{answer:?}");
    }
}

#[tokio::test]
async fn the_method_takes_one_message_and_neither_none_nor_two() {
    let site = Site::start().await;
    let one = envelope(0, "1");
    for method in ["Echo", "Count"] {
        assert!(send(&site, call(method, JSON, "")).await.refusal("12").contains("no message"));
        let two = [&one[..], &one].concat();
        assert!(send(&site, call(method, JSON, two)).await.refusal("12").contains("more than one"));
    }
}

#[tokio::test]
async fn malformed_envelopes_are_errors_of_their_call() {
    let site = Site::start().await;
    let half = &envelope(0, r#""Ada""#)[..7];
    for method in ["Echo", "Sum", "Count"] {
        let answer = send(&site, call(method, JSON, half.to_vec())).await;
        assert!(answer.refusal("3").contains("in the middle of a message"), "{answer:?}");
        for flags in [0b10, 0b1000_0000] {
            let answer = send(&site, call(method, JSON, envelope(flags, "1"))).await;
            assert!(answer.refusal("13").contains("mean nothing"), "{answer:?}");
        }
        let huge = [&[0, 0xff, 0xff, 0xff, 0xff][..], b"x"].concat();
        assert!(send(&site, call(method, JSON, huge)).await.refusal("8").contains("max_message_size"));
        let answer = send(&site, call(method, JSON, envelope(0, "{"))).await;
        assert!(answer.refusal("3").contains("JSON"), "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_post_over_http2_is_told_so_in_plain_text() {
    let site = Site::start().await;
    let mut request = call("Echo", GRPC, envelope(0, ""));
    *request.method_mut() = Method::PUT;
    let answer = send(&site, request).await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, "POST"));

    let mut request = call("Echo", GRPC, envelope(0, ""));
    *request.version_mut() = Version::HTTP_11;
    let answer = send(&site, request).await;
    assert_eq!(answer.status, 505);
    let text = std::str::from_utf8(&answer.body).unwrap();
    assert!(text.contains("gRPC needs HTTP/2") && text.contains("application/grpc-web"), "{text}");
}

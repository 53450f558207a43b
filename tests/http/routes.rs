use http::{Method, Request};

use crate::envelope::envelope;
use crate::lab::Site;
use crate::wire::{BOTH, JSON, STREAM, Wire, full};

#[tokio::test]
async fn an_unknown_method_is_named_with_those_that_there_are() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let message = wire.post("/Lab/Nope", JSON, "1").await.error(404, "unimplemented");
        assert_eq!(
            message,
            "`Lab` has no method `Nope`; it has: Count, Double, Echo, Hang, Label, Labels, Length, Order, Sum, Twice"
        );
        for path in ["/Lab/Nope/More", "/Nope/Echo", "/nope", "/", "//", "/Lab"] {
            let message = wire.post(path, JSON, "1").await.error(404, "unimplemented");
            assert!(
                message.contains("known services: Lab") || message.contains("it has: Count"),
                "{message}"
            );
        }
    }
}

#[tokio::test]
async fn an_unknown_method_of_a_stream_is_answered_as_a_stream() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.post("/Lab/Nope", STREAM, envelope(0, "1")).await;
        let (messages, message) = answer.stream_error("unimplemented");
        assert!(messages.is_empty());
        assert!(message.contains("`Lab` has no method `Nope`"), "{message}");
    }
}

#[tokio::test]
async fn a_method_takes_post_and_says_so() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::OPTIONS] {
            let request = Request::builder().method(&method).uri("/Lab/Echo").body(full("")).unwrap();
            let answer = wire.send(request).await;
            let message = answer.error(405, "unknown");
            assert_eq!(answer.header("allow"), "POST");
            assert_eq!(message, format!("`/Lab/Echo` is called with POST, not with {method}"));
        }
    }
}

#[tokio::test]
async fn there_is_no_body_after_head_whatever_answers() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for (name, value) in [
            ("accept", "*/*"),
            ("content-type", "application/grpc"),
            ("content-type", "application/grpc-web"),
            ("micro-endpoint", "Lab.Length"),
        ] {
            let request = Request::head("/Lab/Length").header(name, value).body(full("")).unwrap();
            let answer = wire.send(request).await;
            assert_eq!(&answer.body[..], b"", "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn a_page_that_a_browser_asks_for_is_not_there() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for path in ["/", "/favicon.ico", "/Lab/Nope?a=b"] {
            let request = Request::builder().uri(path).body(full("")).unwrap();
            wire.send(request).await.error(404, "unimplemented");
        }
    }
}

#[tokio::test]
async fn a_query_behind_the_path_does_not_matter() {
    let site = Site::start().await;
    for version in BOTH {
        let answer = Wire::open(&site, version).await.post("/Lab/Echo?trace=1", JSON, r#""Ada""#).await;
        assert_eq!(answer.json(), "Ada");
    }
}

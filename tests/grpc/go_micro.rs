//! Calls as go-micro's gRPC plugin makes them, and servers that answer as it does.

use http::Request;
use micro::client::Protocol;
use micro::{Code, Context};

use crate::envelope::envelope;
use crate::lab::{Site, client};
use crate::servers::{serve, told};
use crate::wire::{Body, call, open_body, send, with};

/// A call that go-micro makes: it puts the name of the service in front of the handler's.
fn from_go(method: &str, body: &str) -> Request<Body> {
    let mut request = call(method, "application/grpc+json", envelope(0, body));
    *request.uri_mut() = format!("http://lab/greeter.Lab/{method}").parse().unwrap();
    with(request, "x-content-type", "application/json")
}

#[tokio::test]
async fn its_calls_are_routed_by_the_last_part_of_the_name() {
    let site = Site::start().await;
    let answer = send(&site, from_go("Echo", r#""Ada""#)).await;
    assert_eq!(answer.message(), br#""Ada""#);
    let mut other = from_go("Echo", r#""Ada""#);
    *other.uri_mut() = "http://lab/greeter.Other/Echo".parse().unwrap();
    let answer = send(&site, other).await;
    assert!(answer.refusal("12").contains(r#""id":"greeter.Other.Echo","code":501"#), "{answer:?}");
}

#[tokio::test]
async fn an_error_is_its_own_error_and_nothing_else() {
    let site = Site::start().await;
    let json = r#"{"id":"greeter.Lab.Fail","code":412,"detail":"no","status":"Precondition Failed"}"#;
    let answer = send(&site, from_go("Fail", r#""no""#)).await;
    assert_eq!(answer.refusal("9"), json);
    assert_eq!(answer.header("why"), "so");
    // The detail says the same in protobuf, and is the only one.
    let trailers = [
        ("content-type", "application/grpc+json"),
        ("grpc-status", "9"),
        ("grpc-status-details-bin", answer.header("grpc-status-details-bin")),
    ];
    let lab = client(&serve(told(&trailers)).await, Protocol::Grpc, |client| client);
    let error = lab.echo(&Context::new(), String::new()).await.unwrap_err();
    assert_eq!((error.code(), error.message(), error.details().len()), (Code::FailedPrecondition, "no", 1));
    assert_eq!(error.details()[0].type_name(), "errors.Error");

    let answer = send(&site, from_go("FailAfter", "1")).await;
    assert!(answer.trailer("grpc-message").contains(r#""code":412"#), "{answer:?}");
}

#[tokio::test]
async fn its_timeout_holds_where_grpc_has_none() {
    let site = Site::start().await;
    let answer = send(&site, with(from_go("Hang", "null"), "timeout", "40000000")).await;
    assert!(answer.refusal("4").contains(r#""code":408"#), "{answer:?}");
    let request = with(from_go("Time", "null"), "timeout", "40000000");
    let answer = send(&site, with(request, "grpc-timeout", "90S")).await;
    let left: u64 = std::str::from_utf8(answer.message()).unwrap().parse().unwrap();
    assert!(left > 1000, "{left} ms");
    // What it does not show its own handlers, ours do not see either.
    let answer = send(&site, with(from_go("Echo", r#""Ada""#), "timeout", "9000000000")).await;
    assert!(
        !answer.headers.contains_key("head-timeout") && !answer.headers.contains_key("head-x-content-type")
    );
}

#[tokio::test]
async fn the_end_of_a_request_is_not_waited_for_where_it_reads_a_stream() {
    let site = Site::start().await;
    let (body, held) = open_body(envelope(0, "2"));
    let (head, _) = from_go("Count", "").into_parts();
    let answer = send(&site, Request::from_parts(head, body)).await;
    assert_eq!(&answer.body[..], [envelope(0, "1"), envelope(0, "2")].concat());
    assert_eq!(answer.trailer("grpc-status"), "0");
    drop(held);
}

#[tokio::test]
async fn its_errors_are_ours() {
    let json = r#"{"id":"go.micro.server","code":404,"detail":"no such user","status":"Not Found"}"#;
    for status in ["5", "2"] {
        let answer = told(&[
            ("content-type", "application/grpc+json"),
            ("grpc-status", status),
            ("grpc-message", json),
        ]);
        let lab = client(&serve(answer).await, Protocol::Grpc, |client| client);
        let error = lab.echo(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::NotFound, "no such user"));
        assert!(error.is_remote());
    }
}

//! Calls that are answered.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::shop::Site;
use crate::soon::soon;
use crate::wire::{JSON, Wire};

#[tokio::test]
async fn a_call_is_answered_with_its_content_type_and_nothing_else_of_its_own() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let ours =
        [JSON, ("Micro-Id", "0"), ("Micro-Service", "shop"), ("Timeout", "5000000000"), ("Tenant", "a")];
    let answer = wire.call("Shop.Order", &ours, "{\"item\":\"tea\"}\n").await;
    assert_eq!(answer.body, r#"{"item":"tea","count":1}"#);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let mut names: Vec<_> = answer.headers.keys().map(String::as_str).collect();
    names.retain(|name| !["content-length", "content-type", "date"].contains(name));
    assert!(names.is_empty(), "{names:?}");
}

#[tokio::test]
async fn the_endpoint_has_four_places_and_the_path_and_the_verb_do_not_matter() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    for name in ["Micro-Endpoint", "micro-method", "X-Micro-Endpoint", "X-Micro-Method"] {
        for line in ["POST / HTTP/1.1", "POST /Shop/Nothing HTTP/1.1", "PUT /any/where?at=all HTTP/1.1"] {
            wire.send(line, &[(name, "Shop.Echo"), JSON], "\"hi\"").await;
            assert_eq!(wire.answer().await.body, "\"hi\"", "{name} {line}");
        }
    }
}

#[tokio::test]
async fn a_call_without_a_content_type_is_protobuf() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    for headers in [&[][..], &[("Content-Type", "application/protobuf")]] {
        let answer = wire.call("Shop.Echo", headers, "\x0a\x03Ada").await;
        assert_eq!(answer.body, "\x0a\x03Ada");
        assert_eq!(answer.header("content-type"), Some("application/protobuf"));
    }
    // Go sends nothing in chunks.
    let nothing = wire.call("Shop.Nothing", &[], "").await;
    assert_eq!((nothing.body.as_str(), nothing.header("micro-error")), ("", None));
    let charset = [("Content-Type", "application/json; charset=utf-8")];
    assert_eq!(wire.call("Shop.Nothing", &charset, "{}").await.body, "{}");
}

#[tokio::test]
async fn a_method_answers_to_its_name_and_to_the_name_that_go_makes_of_it() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    assert_eq!(wire.call("Greeter.Hello", &[JSON], "\"hi\"").await.body, "\"hi\"");
    for name in ["Greeter.say_hello", "Greeter.SayHello"] {
        let detail = wire.call(name, &[JSON], "\"hi\"").await.detail(501);
        assert!(detail.contains("/other.Greeter/say_hello, /shop.v1.Greeter/say_hello"), "{detail}");
    }
}

#[tokio::test]
async fn metadata_goes_both_ways_without_the_headers_of_the_protocol() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let sent = [JSON, ("Timeout", "5000000000"), ("Tenant-Id", "acme"), ("Micro-Namespace", "go.micro")];
    for (name, due) in [
        ("tenant-id", "acme"),
        ("micro-namespace", "go.micro"),
        ("micro-endpoint", "none"),
        ("timeout", "none"),
        ("content-type", "none"),
    ] {
        let answer = wire.call("Shop.Carry", &sent, &format!("\"{name}\"")).await;
        assert_eq!(answer.body, format!("\"{due}\""), "{name}");
        assert_eq!((answer.header("x-head"), answer.header("x-tail")), (Some("h"), Some("t")));
        assert_eq!(answer.header("micro-error"), None);
    }
}

#[tokio::test]
async fn the_number_of_a_stream_that_leaked_does_not_make_a_stream() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let answer = wire.call("Shop.Echo", &[JSON, ("Micro-Stream", "7")], "\"hi\"").await;
    assert_eq!(answer.body, "\"hi\"");
}

#[tokio::test]
async fn requests_that_do_not_wait_for_each_other_are_all_answered() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    for number in 0..10 {
        let body = format!("\"{number}\"");
        wire.send("POST / HTTP/1.1", &[("Micro-Endpoint", "Shop.Echo"), JSON], &body).await;
    }
    for number in 0..10 {
        assert_eq!(wire.answer().await.body, format!("\"{number}\""));
    }
}

#[tokio::test]
async fn a_message_over_http2_is_served_in_the_same_way() {
    let site = Site::start().await;
    let io = TokioIo::new(TcpStream::connect(site.address()).await.unwrap());
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let connection = tokio::spawn(connection);
    let request = http::Request::post("http://shop/")
        .header("micro-endpoint", "Shop.Echo")
        .header("content-type", "application/json")
        .body(Full::new(Bytes::from_static(b"\"hi\"")))
        .unwrap();
    let answer = soon(sender.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(soon(answer.into_body().collect()).await.unwrap().to_bytes(), "\"hi\"");
    connection.abort();
}

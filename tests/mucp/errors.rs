//! Calls that fail: the status is 200 all the same, and `Micro-Error` says what is wrong.

use crate::shop::Site;
use crate::wire::{JSON, Wire};

#[tokio::test]
async fn an_error_of_a_handler_has_the_code_that_go_micro_has_for_it() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    for (name, code, status) in [
        ("invalid_argument", 400, "Bad Request"),
        ("unauthenticated", 401, "Unauthorized"),
        ("permission_denied", 403, "Forbidden"),
        ("not_found", 404, "Not Found"),
        ("deadline_exceeded", 408, "Request Timeout"),
        ("already_exists", 409, "Conflict"),
        ("failed_precondition", 412, "Precondition Failed"),
        ("internal", 500, "Internal Server Error"),
        ("unknown", 500, "Internal Server Error"),
        ("unimplemented", 501, "Not Implemented"),
        ("unavailable", 503, "Service Unavailable"),
    ] {
        let answer = wire.call("Shop.Fail", &[JSON], &format!("\"{name}\"")).await;
        let error = answer.error(code);
        assert_eq!(error["id"], "Shop.Fail");
        assert_eq!(error["status"], status, "{name}");
        assert_eq!(error["detail"], format!("{name}, as you wish: ü"));
        assert_eq!(answer.header("reason"), Some("wished"));
        assert!(answer.header("micro-error").unwrap().is_ascii());
    }
}

#[tokio::test]
async fn what_cannot_be_called_is_an_error_that_helps() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let unknown = wire.call("Shop.Close", &[JSON], "{}").await;
    assert_eq!(unknown.error(501)["id"], "go.micro.server");
    let detail = unknown.detail(501);
    assert!(detail.contains("nothing here serves `Shop.Close`") && detail.contains("Shop.Echo"), "{detail}");
    for name in ["Shop", ".Echo", "Shop.", ".", "/Shop/Echo"] {
        let detail = wire.call(name, &[JSON], "{}").await.detail(400);
        assert!(detail.contains("made of two words: `Greeter.Hello`"), "{detail}");
    }
    assert!(wire.call("a.b.c", &[JSON], "{}").await.detail(501).contains("`a.b.c`"));
}

#[tokio::test]
async fn a_method_that_streams_names_the_plugin() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let detail = wire.call("Shop.Count", &[JSON, ("Micro-Stream", "1")], "{}").await.detail(501);
    assert!(detail.contains("go-micro.dev/v5/client/grpc"), "{detail}");
    // What Go sends as it gives the stream up is no call.
    let end = [JSON, ("Micro-Stream", "1"), ("Micro-Error", "EOS")];
    let answer = wire.call("Shop.Panic", &end, "").await;
    assert_eq!((answer.header("micro-error"), answer.header("connection")), (None, Some("close")));
    wire.closed().await;
}

#[tokio::test]
async fn a_content_type_that_nobody_reads_names_those_that_somebody_does() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let detail = wire.call("Shop.Echo", &form, "a=b").await.detail(400);
    assert!(detail.contains("unsupported Content-Type: application/x-www-form-urlencoded"), "{detail}");
    assert!(detail.contains("application/json, application/protobuf"), "{detail}");
    let rpc = wire.call("Shop.Echo", &[("Content-Type", "application/json-rpc")], "{}").await.detail(400);
    assert!(rpc.contains("`protocol=mucp`"), "{rpc}");
    // A serde type has no protobuf, and no content type means just that.
    let none = wire.call("Shop.Order", &[], "{}").await.detail(400);
    assert!(none.contains("there is no content type"), "{none}");
}

#[tokio::test]
async fn a_message_that_cannot_be_read_is_an_error_of_the_caller() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    assert!(wire.call("Shop.Order", &[JSON], r#"{"item":1}"#).await.detail(400).contains("field `item`"));
    assert!(wire.call("Shop.Order", &[JSON], "").await.detail(400).contains("the body is empty"));
    assert!(wire.call("Shop.Echo", &[], "\u{1}").await.detail(400).contains("malformed protobuf"));
    let large = format!("\"{}\"", "x".repeat(2000));
    assert!(wire.call("Shop.Echo", &[JSON], &large).await.detail(429).contains("1024"));
}

#[tokio::test]
async fn a_handler_that_panics_answers() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let detail = wire.call("Shop.Panic", &[JSON], "{}").await.detail(500);
    assert!(detail.contains("panicked") && !detail.contains("secret"), "{detail}");
    assert_eq!(wire.call("Shop.Echo", &[JSON], "\"still here\"").await.body, "\"still here\"");
}

#[tokio::test]
async fn the_timeout_is_in_nanoseconds_and_what_is_no_number_is_none() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site).await;
    let detail = wire.call("Shop.Hang", &[JSON, ("Timeout", "10000000")], "{}").await.detail(408);
    assert!(detail.contains("within 10ms"), "{detail}");
    for timeout in ["soon", "-1", "99999999999999999999999"] {
        let answer = wire.call("Shop.Echo", &[JSON, ("Timeout", timeout)], "\"hi\"").await;
        assert_eq!(answer.body, "\"hi\"", "{timeout}");
    }
}

//! Calls with GET.

use http::{Method, Request};

use crate::lab::Site;
use crate::wire::{Answer, BOTH, JSON, Wire, full};

async fn get(wire: &mut Wire, path: &str) -> Answer {
    wire.send(Request::builder().uri(path).body(full("")).unwrap()).await
}

#[tokio::test]
async fn an_idempotent_method_is_called_with_get() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for query in [
            "encoding=json&message=%22Ada%22",
            "connect=v1&base64=1&message=IkFkYSI&encoding=json",
            "connect=v1&base64=1&message=IkFkYSI%3D&encoding=json",
            "encoding=json&message=%22Ada%22&compression=identity&utm=1",
        ] {
            let answer = get(&mut wire, &format!("/Lab/Twice?{query}")).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, "AdaAda".into()), "{query}");
        }
    }
}

#[tokio::test]
async fn no_other_method_is() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site, BOTH[0]).await;
    let answer = get(&mut wire, "/Lab/Echo?encoding=json&message=1").await;
    assert_eq!(answer.header("allow"), "POST");
    answer.error(405, "unknown");
    let request = Request::builder().method(Method::PUT).uri("/Lab/Twice").body(full("")).unwrap();
    let answer = wire.send(request).await;
    assert_eq!(answer.header("allow"), "GET, POST");
    answer.error(405, "unknown");
}

#[tokio::test]
async fn a_wrong_query_says_what_is_wrong_with_it() {
    let site = Site::start().await;
    let mut wire = Wire::open(&site, BOTH[0]).await;
    for (query, status, code, words) in [
        ("", 415, "unknown", "there is no `encoding` in the query"),
        ("?encoding=xml&message=1", 415, "unknown", "does not take `encoding=xml`; send one of: json"),
        ("?encoding=json", 400, "invalid_argument", "as `message`, and there is none"),
        ("?encoding=json&base64=1&message=%%%", 400, "invalid_argument", "not base64 of the URL-safe kind"),
        (
            "?encoding=json&message=1&compression=br",
            501,
            "unimplemented",
            "`br` (`compression` of the query); known:",
        ),
        ("?encoding=json&message=1", 400, "invalid_argument", "unexpected JSON"),
        ("?encoding=json&message=", 400, "invalid_argument", "the body is empty"),
    ] {
        let message = get(&mut wire, &format!("/Lab/Twice{query}")).await.error(status, code);
        assert!(message.contains(words), "{query}: {message}");
    }
}

#[tokio::test]
async fn a_cache_is_told_what_the_answer_depends_on() {
    let site = Site::of(|service| service.compress(1)).await;
    let mut wire = Wire::open(&site, BOTH[0]).await;
    let path = "/Lab/Twice?encoding=json&message=%22Ada%22";
    for (accepted, encoding) in [("gzip", "gzip"), ("identity", "")] {
        let request = Request::builder().uri(path).header("accept-encoding", accepted);
        let answer = wire.send(request.body(full("")).unwrap()).await;
        assert_eq!(answer.header("content-encoding"), encoding);
        assert_eq!(answer.header("vary"), "accept, accept-encoding");
    }
    let posted = wire.post("/Lab/Twice", JSON, r#""Ada""#).await;
    assert_eq!(posted.header("vary"), "", "nobody keeps the answer of a POST");
}

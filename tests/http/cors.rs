//! Calls of web pages.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use http::{Method, Request};
use micro::Service;
use micro::server::Cors;
use tower::util::MapRequestLayer;

use crate::lab::Site;
use crate::wire::{Answer, BOTH, Body, JSON, Wire, full, post};

const SHOP: &str = "https://shop.example";

async fn site(cors: Cors) -> Site {
    Site::of(|service| service.cors(cors)).await
}

fn preflight(path: &str, origin: &str, method: &str, headers: Option<&str>) -> Request<Body> {
    let request = Request::builder().method(Method::OPTIONS).uri(path).header("origin", origin);
    let request = request.header("access-control-request-method", method);
    let request = match headers {
        Some(headers) => request.header("access-control-request-headers", headers),
        None => request,
    };
    request.body(full("")).unwrap()
}

fn from(origin: &str, mut request: Request<Body>) -> Request<Body> {
    request.headers_mut().insert("origin", origin.parse().unwrap());
    request
}

/// The headers of an answer that are about this.
fn said(answer: &Answer) -> Vec<(&str, &str)> {
    let names = answer.headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
    let mut said: Vec<_> = names.filter(|(name, _)| name.starts_with("access-control-")).collect();
    said.sort_unstable();
    said
}

#[tokio::test]
async fn no_page_may_call_unless_it_is_said() {
    let site = Site::start().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.send(preflight("/Lab/Echo", SHOP, "POST", Some("content-type"))).await;
        answer.error(405, "unknown");
        assert_eq!(said(&answer), []);
        // What a page can send without asking before is no call.
        for content_type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"] {
            let request = from(SHOP, post("/Lab/Echo", content_type, full(r#""Ada""#)));
            assert_eq!(wire.send(request).await.status, 415);
        }
        let answer = wire.send(from(SHOP, post("/Lab/Echo", JSON, full(r#""Ada""#)))).await;
        assert_eq!((said(&answer), answer.header("vary")), (vec![], ""));
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn a_page_of_a_named_origin_may_ask_call_and_read() {
    let site = site(Cors::origins(["https://other.example", SHOP]).max_age(Duration::from_secs(60))).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let headers = "connect-protocol-version,content-type,x-tenant";
        let answer = wire.send(preflight("/Lab/Echo", SHOP, "POST", Some(headers))).await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (204, 0));
        let expected = [
            ("access-control-allow-headers", headers),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-origin", SHOP),
            ("access-control-max-age", "60"),
        ];
        assert_eq!(said(&answer), expected);
        assert!(answer.header("vary").starts_with("origin,"));

        let answer = wire.send(from(SHOP, post("/Lab/Label", JSON, full("[3, 4]")))).await;
        assert_eq!(answer.status, 200);
        let expected = [
            ("access-control-allow-origin", SHOP),
            ("access-control-expose-headers", "x-head,trailer-x-tail"),
        ];
        assert_eq!(said(&answer), expected);
        assert_eq!(answer.header("vary"), "origin");

        // It can read errors too.
        let answer = wire.send(from(SHOP, post("/Lab/Nope", JSON, full("1")))).await;
        answer.error(404, "unimplemented");
        assert_eq!(said(&answer), [("access-control-allow-origin", SHOP)]);
    }
}

#[tokio::test]
async fn a_page_of_another_origin_is_told_no_and_nothing_else() {
    let site = site(Cors::origins([SHOP])).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        for origin in ["https://evil.example", "http://shop.example", "https://shop.example.evil", "null"] {
            let answer = wire.send(preflight("/Lab/Echo", origin, "POST", None)).await;
            assert_eq!((answer.status.as_u16(), said(&answer)), (403, vec![]));
            let body = String::from_utf8(answer.body.to_vec()).unwrap();
            assert_eq!(body, format!("pages of {origin} may not call this service (the option `cors`)\n"));
            let answer = wire.send(from(origin, post("/Lab/Echo", JSON, full(r#""Ada""#)))).await;
            assert_eq!((said(&answer), answer.header("vary")), (vec![], "origin"));
        }
        // Who is no page is not asked anything.
        let answer = wire.post("/Lab/Echo", JSON, r#""Ada""#).await;
        assert_eq!((said(&answer), answer.header("vary")), (vec![], "origin"));
    }
}

#[tokio::test]
async fn any_origin_is_a_star_and_named_ones_may_send_their_cookies() {
    let any = site(Cors::any()).await;
    let named = site(Cors::origins([SHOP]).credentials()).await;
    for version in BOTH {
        let mut wire = Wire::open(&any, version).await;
        let call = wire.send(from("https://a.example", post("/Lab/Echo", JSON, full(r#""Ada""#)))).await;
        assert_eq!(said(&call), [("access-control-allow-origin", "*")]);
        let asked = wire.send(preflight("/Lab/Echo", "https://a.example", "GET", None)).await;
        assert_eq!(asked.header("access-control-allow-origin"), "*");
        assert_eq!(asked.header("access-control-allow-credentials"), "");

        let mut wire = Wire::open(&named, version).await;
        let call = wire.send(from(SHOP, post("/Lab/Echo", JSON, full(r#""Ada""#)))).await;
        let asked = wire.send(preflight("/Lab/Echo", SHOP, "POST", None)).await;
        for answer in [call, asked] {
            assert_eq!(answer.header("access-control-allow-origin"), SHOP);
            assert_eq!(answer.header("access-control-allow-credentials"), "true");
        }
    }
}

#[tokio::test]
async fn methods_and_headers_can_be_narrowed() {
    let site =
        site(Cors::origins([SHOP]).methods([Method::POST]).headers(["Content-Type", "x-grpc-web"])).await;
    let mut wire = Wire::open(&site, BOTH[0]).await;
    let asks = [
        ("POST", None, 204),
        ("POST", Some("content-type, X-Grpc-Web"), 204),
        ("POST", Some("content-type,x-tenant"), 403),
        ("GET", None, 403),
        ("post", None, 403),
    ];
    for (method, headers, expected) in asks {
        let answer = wire.send(preflight("/Lab/Echo", SHOP, method, headers)).await;
        assert_eq!(answer.status, expected, "{method} {headers:?}");
    }
}

#[tokio::test]
async fn it_holds_for_pages_and_is_in_front_of_the_layers() {
    let site = Site::of(|service| {
        let own = async || ([("access-control-allow-origin", "https://own.example")], "own");
        let pages = Router::new().route("/page", get(async || "a page")).route("/own", get(own));
        let refuses = MapRequestLayer::new(|request: Request<_>| {
            assert!(!request.headers().contains_key("x-panic"), "on purpose");
            request
        });
        service.cors(Cors::origins([SHOP])).mount(pages).layer(refuses)
    })
    .await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.send(preflight("/page", SHOP, "GET", None)).await;
        assert_eq!(answer.status, 204);
        let answer = wire.send(from(SHOP, Request::get("/page").body(full("")).unwrap())).await;
        assert_eq!(said(&answer), [("access-control-allow-origin", SHOP)]);
        let answer = wire.send(from(SHOP, Request::get("/own").body(full("")).unwrap())).await;
        assert_eq!(said(&answer), [("access-control-allow-origin", "https://own.example")]);
        let panics = Request::get("/page").header("x-panic", "1").body(full("")).unwrap();
        let answer = wire.send(from(SHOP, panics)).await;
        assert_eq!(
            (answer.status.as_u16(), said(&answer)),
            (500, vec![("access-control-allow-origin", SHOP)])
        );
    }
}

#[tokio::test]
async fn a_preflight_is_answered_without_asking_for_headers_and_other_options_are_not_ours() {
    let site = site(Cors::any()).await;
    let mut wire = Wire::open(&site, BOTH[0]).await;
    let answer = wire.send(preflight("/anything", SHOP, "POST", None)).await;
    assert_eq!((answer.status.as_u16(), answer.header("access-control-allow-headers")), (204, ""));
    let options = Request::builder().method(Method::OPTIONS).uri("/Lab/Echo").body(full("")).unwrap();
    wire.send(options).await.error(405, "unknown");
}

#[tokio::test]
async fn what_cannot_be_meant_fails_the_start() {
    for cors in [Cors::any().credentials(), Cors::origins(["shop.example"])] {
        let error = Service::new("lab").cors(cors).in_memory().await.unwrap_err();
        assert!(error.message().contains("`Cors::"), "{error}");
    }
}

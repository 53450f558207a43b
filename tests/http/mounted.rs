//! An HTTP service beside the calls, on the same port.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Extension;
use axum::routing::{any, get, post as on_post};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt as _, Full};
use micro::server::{Limits, Peer, RequestBody};
use micro::{Error, Service};
use tokio::sync::Notify;
use tower::service_fn;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::soon::soon;
use crate::wire::{Answer, BOTH, JSON, STREAM, Wire, chunked, full, post};

fn router() -> Router {
    Router::new()
        .route("/", get(async || "a page"))
        .route("/api/lengths", on_post(async |body: Bytes| body.len().to_string()))
        .route("/Lab/Form", on_post(async || "a form"))
        .route("/peer", get(async |Extension(peer): Extension<Peer>| peer.to_string()))
        .route("/panic", get(async || panic!("on purpose") as &'static str))
        .route("/torn", any(async || torn(false)))
        .route("/torn/panic", any(async || torn(true)))
        .fallback(async || (http::StatusCode::IM_A_TEAPOT, "no such page"))
}

/// A body that breaks off after its first chunk.
fn torn(panics: bool) -> Body {
    let chunks = stream::iter([Ok(Bytes::from("half")), Err(std::io::Error::other("torn"))]);
    // The first chunk is on its way before the second one is there.
    let chunks = chunks.then(async |chunk| {
        tokio::time::sleep(Duration::from_millis(20)).await;
        chunk
    });
    Body::from_stream(chunks.inspect(move |chunk| assert!(!panics || chunk.is_ok(), "on purpose")))
}

async fn site() -> Site {
    Site::of(|service| service.mount(router())).await
}

async fn request(wire: &mut Wire, method: Method, path: &str) -> Answer {
    wire.send(Request::builder().method(method).uri(path).body(full("")).unwrap()).await
}

#[tokio::test]
async fn pages_and_calls_share_a_port() {
    let site = site().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(request(&mut wire, Method::GET, "/").await.body, "a page");
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
        assert_eq!(wire.post("/Lab/Sum", STREAM, envelope(0, "1")).await.stream().0, [1]);
        let answer = request(&mut wire, Method::DELETE, "/nothing").await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (418, &b"no such page"[..]));
    }
}

#[tokio::test]
async fn what_looks_like_a_call_is_one_only_where_its_service_is_here() {
    let site = site().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        // The path of a method is taken, whatever comes on it.
        request(&mut wire, Method::GET, "/Lab/Echo").await.error(405, "unknown");
        assert_eq!(wire.post("/Lab/Echo", "text/plain", "x").await.status, 415);
        // A method that other versions of the service may have.
        let types = [JSON, "application/JSON; charset=utf-8", "application/proto"];
        for content_type in types {
            let message = wire.post("/Lab/Form", content_type, "1").await.error(404, "unimplemented");
            assert!(message.contains("`Lab` has no method `Form`"), "{message}");
        }
        wire.post("/Lab/Form", STREAM, envelope(0, "1")).await.stream_error("unimplemented");
        // What a browser sends is none.
        for content_type in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data"] {
            assert_eq!(wire.post("/Lab/Form", content_type, "a=b").await.body, "a form");
        }
        assert_eq!(request(&mut wire, Method::GET, "/Lab/Nope").await.status, 418);
        // Neither is JSON for somebody else.
        for path in ["/api/lengths", "/api/lengths?a=/Lab/Echo"] {
            assert_eq!(wire.post(path, JSON, "[1]").await.body, "3");
        }
        for path in ["/Other/Echo", "/Lab", "/", "//Echo", "/x/Lab/Echo"] {
            let answer = wire.post(path, JSON, "1").await;
            assert!(!answer.body.starts_with(br#"{"code""#), "{path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_service_may_have_pages_and_no_handler() {
    let service = Service::new("pages").mount(router()).in_memory().await.unwrap();
    service.stop().await.unwrap();
}

#[tokio::test]
async fn bodies_pass_in_both_directions_as_they_come() {
    let site = Site::of(|service| {
        service.mount(service_fn(async |request: Request<RequestBody>| {
            Ok::<_, Infallible>(Response::new(request.into_body()))
        }))
    })
    .await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let chunks = vec![Bytes::from(vec![b'x'; 10_000]); 500];
        let answer = wire.send(post("/mirror", "text/plain", chunked(chunks))).await;
        assert_eq!(answer.body.len(), 5_000_000, "the limit for messages is none for pages");
        let (sender, body) = crate::wire::piecemeal();
        sender.send("ping".into()).unwrap();
        let mut answer = wire.start(post("/mirror", "text/plain", body)).await.unwrap().into_body();
        assert_eq!(soon(answer.frame()).await.unwrap().unwrap().into_data().unwrap(), "ping");
        sender.send("pong".into()).unwrap();
        assert_eq!(soon(answer.frame()).await.unwrap().unwrap().into_data().unwrap(), "pong");
    }
}

#[tokio::test]
async fn a_page_knows_who_asks_for_it() {
    let site = site().await;
    for version in BOTH {
        let answer = request(&mut Wire::open(&site, version).await, Method::GET, "/peer").await;
        assert!(answer.body.starts_with(b"127.0.0.1:"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_page_that_panics_is_an_error_and_the_connection_goes_on() {
    let site = site().await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let message = request(&mut wire, Method::GET, "/panic").await.error(500, "internal");
        assert_eq!(message, "the service panicked while it answered");
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
    }
}

#[tokio::test]
async fn a_page_that_breaks_off_does_not_pass_for_a_whole_one() {
    let site = site().await;
    for version in BOTH {
        for path in ["/torn", "/torn/panic"] {
            let mut wire = Wire::open(&site, version).await;
            let torn = Request::get(path).body(full("")).unwrap();
            let mut torn = wire.start(torn).await.unwrap().into_body();
            assert_eq!(soon(torn.frame()).await.unwrap().unwrap().into_data().unwrap(), "half");
            assert!(soon(torn.frame()).await.unwrap().is_err());
            if version == Version::HTTP_2 {
                assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
            }
        }
    }
}

#[tokio::test]
async fn an_error_of_a_mounted_service_is_an_answer() {
    let failing =
        service_fn(async |request: Request<RequestBody>| -> Result<Response<Full<Bytes>>, Box<_>> {
            Err(match request.uri().path() {
                "/ours" => Box::<dyn std::error::Error + Send + Sync>::from(Error::not_found("no such page")),
                _ => "not for the eyes of callers".into(),
            })
        });
    let site = Site::of(|service| service.mount(failing)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let message = request(&mut wire, Method::GET, "/ours").await.error(404, "not_found");
        assert_eq!(message, "no such page");
        let message = request(&mut wire, Method::GET, "/others").await.error(500, "internal");
        assert_eq!(message, "the service failed to answer");
    }
}

#[tokio::test]
async fn a_page_that_takes_long_is_finished_before_the_service_stops() {
    for version in BOTH {
        let (asked, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let page = {
            let (asked, go_on) = (asked.clone(), go_on.clone());
            async move || {
                asked.notify_one();
                go_on.notified().await;
                "done"
            }
        };
        let site = Site::of(|service| service.mount(Router::new().route("/slow", get(page)))).await;
        let mut wire = Wire::open(&site, version).await;
        let answer = tokio::spawn(async move { request(&mut wire, Method::GET, "/slow").await });
        soon(asked.notified()).await;
        let stop = tokio::spawn(site.running.stop());
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!stop.is_finished(), "it waits");
        go_on.notify_one();
        let answer = soon(answer).await.unwrap();
        assert_eq!(answer.body, "done");
        if version == Version::HTTP_11 {
            assert_eq!(answer.header("connection"), "close");
        }
        soon(stop).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_page_that_never_ends_is_cut_off_after_the_drain_timeout() {
    for version in BOTH {
        let asked = Arc::new(Notify::new());
        let page = {
            let asked = asked.clone();
            async move || {
                asked.notify_one();
                std::future::pending::<()>().await;
            }
        };
        let site = Site::of(|service| {
            let service = service.drain_timeout(Duration::from_millis(20));
            service.mount(Router::new().route("/hang", get(page)))
        })
        .await;
        let mut wire = Wire::open(&site, version).await;
        let hanging =
            tokio::spawn(
                async move { wire.start(Request::get("/hang").body(full("")).unwrap()).await.is_err() },
            );
        soon(asked.notified()).await;
        soon(site.running.stop()).await.unwrap();
        assert!(soon(hanging).await.unwrap());
    }
}

#[tokio::test]
async fn limits_on_time_hold_for_pages_as_well() {
    let limits = Limits::new().write_timeout(Duration::from_millis(100));
    let endless =
        async || Body::from_stream(stream::repeat(Ok::<_, Infallible>(Bytes::from(vec![0; 100_000]))));
    let site =
        Site::of(|service| service.limits(limits).mount(Router::new().route("/endless", get(endless)))).await;
    let tasks = crate::lab::Tasks::now();
    let mut raw = crate::raw::Raw::open(&site).await;
    raw.send("GET /endless HTTP/1.1\r\nhost: lab\r\n\r\n").await;
    tasks.again().await;
}

#[tokio::test]
async fn two_mounted_services_are_an_error_at_the_start() {
    let error = Service::new("pages").mount(router()).mount(router()).in_memory().await.unwrap_err();
    assert!(error.message().contains("mount one router that holds both"), "{error}");
}

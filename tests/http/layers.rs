//! Tower layers around everything on a port.

use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::extract::Request as PageRequest;
use axum::middleware::{Next, from_fn};
use axum::routing::get;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use micro::server::{HttpService, Peer, RequestBody, ResponseBody};
use micro::{Context, Error, Result};
use tower::util::{MapRequestLayer, MapResponseLayer};
use tower::{ServiceBuilder, service_fn};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::envelope::envelope;
use crate::lab::Site;
use crate::soon::soon;
use crate::wire::{BOTH, JSON, STREAM, Wire, chunked, full, piecemeal, post};

fn appends(value: &'static str) -> SetResponseHeaderLayer<HeaderValue> {
    SetResponseHeaderLayer::appending(HeaderName::from_static("x-passed"), HeaderValue::from_static(value))
}

#[tokio::test]
async fn layers_stand_around_calls_and_pages_and_the_first_one_is_the_outermost() {
    let site = Site::of(|service| {
        let pages = Router::new().route("/", get(async || "a page"));
        service.layer(appends("outer")).mount(pages).layer(appends("inner"))
    })
    .await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let page = wire.send(Request::get("/").body(full("")).unwrap()).await;
        let call = wire.post("/Lab/Echo", JSON, r#""Ada""#).await;
        let stream = wire.post("/Lab/Double", STREAM, envelope(0, "2")).await;
        let unknown = wire.post("/Lab/Nope", JSON, "1").await;
        assert_eq!((page.body.as_ref(), call.json()), (&b"a page"[..], "Ada".into()));
        assert_eq!(stream.stream().0, [4]);
        unknown.error(404, "unimplemented");
        for answer in [page, call, stream, unknown] {
            let passed: Vec<_> = answer.headers.get_all("x-passed").iter().collect();
            assert_eq!(passed, ["inner", "outer"], "the answer passes the inner one first");
        }
    }
}

#[tokio::test]
async fn messages_pass_layers_as_they_come() {
    let site = Site::of(|service| service.layer(TraceLayer::new_for_http())).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let (sender, body) = piecemeal();
        sender.send(envelope(0, "1")).unwrap();
        let mut answers = wire.start(post("/Lab/Double", STREAM, body)).await.unwrap().into_body();
        for number in 1..4_u32 {
            let answer = soon(answers.frame()).await.unwrap().unwrap().into_data().unwrap();
            assert_eq!(answer, envelope(0, (2 * number).to_string()));
            sender.send(envelope(0, (number + 1).to_string())).unwrap();
        }
        site.handlers(1).await;
        drop((answers, wire));
        site.handlers(0).await;
    }
}

#[tokio::test]
async fn a_layer_may_answer_in_place_of_a_call() {
    let timeout = TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_millis(30));
    let site = Site::of(|service| service.layer(timeout)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.post("/Lab/Hang", JSON, r#""""#).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (504, &b""[..]));
        site.handlers(0).await;
    }
}

#[tokio::test]
async fn a_layer_may_put_another_body_around_a_request() {
    let site = Site::of(|service| service.layer(RequestBodyLimitLayer::new(10))).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada Lovelace""#).await.status, 413);
        let chunks = vec!["\"Ada ".into(), "Lovelace\"".into()];
        let message = wire.send(post("/Lab/Echo", JSON, chunked(chunks))).await.error(500, "unknown");
        assert_eq!(message, "the body of the request broke off: length limit exceeded");
    }
}

#[tokio::test]
async fn a_middleware_of_axum_stands_around_calls_as_well() {
    async fn with_token(request: PageRequest, next: Next) -> axum::response::Response {
        match request.headers().get("authorization") {
            Some(_) => next.run(request).await,
            None => Response::builder().status(401).body("send a token".into()).unwrap(),
        }
    }
    // It takes axum's own body and no other.
    let to_axum = MapRequestLayer::new(|request: Request<RequestBody>| request.map(axum::body::Body::new));
    let layer = ServiceBuilder::new().layer(to_axum).layer(from_fn(with_token));
    let site = Site::of(|service| service.layer(layer)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.post("/Lab/Echo", JSON, r#""Ada""#).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (401, &b"send a token"[..]));
        let mut request = post("/Lab/Echo", JSON, full(r#""Ada""#));
        request.headers_mut().insert("authorization", "Bearer ada".parse().unwrap());
        assert_eq!(wire.send(request).await.json(), "Ada");
    }
}

/// Does to a request what its path says, and hands others on.
fn wild(
    inner: HttpService,
) -> impl tower::Service<Request<RequestBody>, Response = Response<ResponseBody>, Error = Error, Future: Send>
+ Clone
+ Send
+ Sync {
    service_fn(move |request: Request<RequestBody>| {
        let inner = inner.clone();
        async move {
            match request.headers().get("x-do").map(HeaderValue::as_bytes) {
                Some(b"panic") => panic!("on purpose"),
                Some(b"fail") => Err(Error::resource_exhausted("too many of you")),
                Some(b"answer") => Ok(Response::new("in place".into())),
                _ => {
                    let Ok(answer) = tower::ServiceExt::oneshot(inner, request).await;
                    Ok(answer)
                }
            }
        }
    })
}

#[tokio::test]
async fn errors_and_panics_of_a_layer_are_answers_in_the_callers_form() {
    let site = Site::of(|service| {
        service.layer(appends("outer")).layer(tower::layer::layer_fn(wild)).layer(appends("inner"))
    })
    .await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let asks = |path, content_type, body, what: &'static str| {
            let mut request = post(path, content_type, full(body));
            request.headers_mut().insert("x-do", what.parse().unwrap());
            request
        };
        let call = |what| asks("/Lab/Echo", JSON, "\"Ada\"".into(), what);
        let stream = |what| asks("/Lab/Sum", STREAM, envelope(0, "1"), what);
        assert_eq!(wire.send(call("nothing")).await.json(), "Ada");
        assert_eq!(wire.send(call("answer")).await.body, "in place");
        let message = wire.send(call("fail")).await.error(429, "resource_exhausted");
        assert_eq!(message, "too many of you");
        assert_eq!(wire.send(stream("fail")).await.stream_error("resource_exhausted").1, "too many of you");
        let message = wire.send(call("panic")).await.error(500, "internal");
        assert_eq!(message, "the service panicked while it answered");
        let answer = wire.send(stream("panic")).await;
        answer.stream_error("internal");
        assert_eq!(answer.header("x-passed"), "outer", "the layers outside of it see an answer");
        assert_eq!(wire.send(stream("nothing")).await.stream().0, [1], "the connection goes on");
    }
    site.handlers(0).await;
}

#[tokio::test]
async fn a_layer_that_knows_better_says_who_calls() {
    struct Who;

    #[micro::handler]
    impl Who {
        pub async fn am_i(&self, ctx: &Context, _request: ()) -> Result<String> {
            Ok(ctx.peer().unwrap_or_default().to_owned())
        }
    }

    let forwarded = MapRequestLayer::new(|mut request: Request<RequestBody>| {
        if let Some(address) = request.headers().get("x-forwarded-for").and_then(|value| value.to_str().ok())
        {
            let peer = Peer::new(address);
            request.extensions_mut().insert(peer);
        }
        request
    });
    let site = Site::of(|service| service.handle(Who).layer(forwarded)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        let answer = wire.post("/Who/AmI", JSON, "null").await.json();
        assert!(answer.as_str().unwrap().starts_with("127.0.0.1:"), "{answer}");
        let mut request = post("/Who/AmI", JSON, full("null"));
        request.headers_mut().insert("x-forwarded-for", "192.0.2.7:1".parse().unwrap());
        assert_eq!(wire.send(request).await.json(), "192.0.2.7:1");
    }
}

#[tokio::test]
async fn a_layer_with_a_body_of_its_own_breaks_off_only_its_own_answers() {
    let counts = MapResponseLayer::new(|response: Response<ResponseBody>| {
        response.map(|body| {
            body.map_frame(|frame| {
                assert!(frame.data_ref().is_none_or(|data| data.len() < 10), "on purpose");
                frame
            })
        })
    });
    let site = Site::of(|service| service.layer(counts)).await;
    for version in BOTH {
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
        match wire.start(post("/Lab/Echo", JSON, full(r#""Ada Lovelace""#))).await {
            Ok(answer) => assert!(soon(answer.into_body().collect()).await.is_err()),
            Err(error) => assert!(!error.is_user(), "{error:?}"),
        }
        let mut wire = Wire::open(&site, version).await;
        assert_eq!(wire.post("/Lab/Echo", JSON, r#""Ada""#).await.json(), "Ada");
    }
}

#[tokio::test]
async fn an_inner_service_can_be_called_by_any_layer_with_any_body() {
    let service = HttpService::new(service_fn(async |request: Request<RequestBody>| {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    let request = Request::new(http_body_util::Full::<bytes::Bytes>::from("Ada"));
    let Ok(answer) = tower::ServiceExt::oneshot(service, request).await;
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "Ada");
}

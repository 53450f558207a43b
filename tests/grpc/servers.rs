//! Servers of others, right and wrong ones, and what our client makes of them.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro::client::Protocol;
use micro::{Code, Context, Error, Streaming};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::envelope::envelope;
use crate::lab::{LabClient, client};
use crate::wire::{Body, GRPC};

/// What a server answers, whatever it is asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) head: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

pub(crate) fn headers(entries: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in entries {
        headers.append(*name, value.parse().unwrap());
    }
    headers
}

/// An answer with this head and nothing else.
pub(crate) fn told(head: &[(&'static str, &str)]) -> Told {
    Told { status: 200, head: headers(head), ..Told::default() }
}

impl Told {
    pub(crate) fn body(self, body: impl Into<Vec<u8>>) -> Self {
        Self { body: body.into(), ..self }
    }

    fn trailers(self, trailers: &[(&'static str, &str)]) -> Self {
        Self { trailers: Some(headers(trailers)), ..self }
    }

    fn response(self) -> Response<Body> {
        let mut frames = Vec::new();
        if !self.body.is_empty() {
            frames.push(Frame::data(Bytes::from(self.body)));
        }
        frames.extend(self.trailers.map(Frame::trailers));
        // What is empty is known to be so, and the head ends the stream.
        let body = if frames.is_empty() {
            http_body_util::Empty::new().boxed_unsync()
        } else {
            StreamBody::new(stream::iter(frames.into_iter().map(Ok::<_, Infallible>))).boxed_unsync()
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status.try_into().unwrap();
        *response.headers_mut() = self.head;
        response
    }
}

/// A server that answers so; its address.
pub(crate) async fn serve(told: Told) -> String {
    serve_with(move |_| told.clone()).await
}

async fn serve_with(answer: impl Fn(Parts) -> Told + Clone + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answer = answer.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let answer = answer.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let _ = body.collect().await;
                    Ok::<_, Infallible>(answer(head).response())
                }
            });
            let connection = http2::Builder::new(TokioExecutor::new());
            tokio::spawn(connection.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

/// A server that tells what it was asked.
pub(crate) async fn recording() -> (String, mpsc::UnboundedReceiver<Parts>) {
    let (heads, recorded) = mpsc::unbounded_channel();
    let address = serve_with(move |head| {
        let _ = heads.send(head);
        told(&[("content-type", GRPC), ("grpc-status", "12")])
    });
    (address.await, recorded)
}

async fn lab(told: Told) -> LabClient {
    client(&serve(told).await, Protocol::Grpc, |client| client)
}

/// The error of a call with one answer.
async fn error(told: Told) -> Error {
    lab(told).await.echo(&Context::new(), "Ada".to_owned()).await.unwrap_err()
}

const HEAD: &[(&str, &str)] = &[("content-type", "application/grpc+json")];

fn ada() -> Bytes {
    envelope(0, r#""Ada""#)
}

#[tokio::test]
async fn an_answer_without_a_status_is_no_answer() {
    for answer in [
        told(HEAD),
        told(HEAD).body(ada()),
        told(HEAD).body(ada()).trailers(&[("x", "y")]),
        told(HEAD).trailers(&[("grpc-message", "what?")]),
        // A status in front of a message says nothing.
        told(&[HEAD[0], ("grpc-status", "0")]).body(ada()),
    ] {
        let error = error(answer).await;
        assert_eq!(error.code(), Code::Internal);
        assert!(error.message().contains("how the call ended"), "{error}");
        assert!(!error.is_remote());
    }
}

#[tokio::test]
async fn the_status_is_that_of_the_trailers_or_of_a_head_that_is_alone() {
    let error = error(told(&[HEAD[0], ("grpc-status", "8")]).trailers(&[("grpc-status", "9")])).await;
    assert_eq!(error.code(), Code::FailedPrecondition);

    let alone = [HEAD[0], ("grpc-status", "8"), ("grpc-message", "no%20more"), ("why", "so")];
    let error = self::error(told(&alone)).await;
    assert_eq!((error.code(), error.message()), (Code::ResourceExhausted, "no more"));
    assert_eq!(error.metadata().get("why"), Some("so"));
    assert!(error.is_remote());
    // Whatever else it says.
    let error = self::error(told(&[("grpc-status", "8"), ("grpc-encoding", "br")])).await;
    assert_eq!(error.code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn a_status_that_nobody_knows_is_unknown() {
    for status in ["17", "99999999999", "-1", "OK", ""] {
        let error = error(told(HEAD).trailers(&[("grpc-status", status), ("grpc-message", "why")])).await;
        assert_eq!(error.code(), Code::Unknown);
        assert!(error.message().contains(&format!("`{status}`: why")), "{error}");
    }
}

#[tokio::test]
async fn one_message_is_due_and_neither_none_nor_two() {
    let ok: &[(&str, &str)] = &[("grpc-status", "0")];
    let two = [ada(), ada()].concat();
    for answer in [told(HEAD).trailers(ok), told(&[HEAD[0], ok[0]]), told(HEAD).body(two).trailers(ok)] {
        let lab = lab(answer).await;
        let error = lab.echo(&Context::new(), String::new()).await.unwrap_err();
        assert_eq!(error.code(), Code::Unimplemented);
        let error = lab.sum(&Context::new(), Streaming::from_iter([1])).await.unwrap_err();
        assert_eq!(error.code(), Code::Unimplemented);
    }
    // An error is an error, with a message in front of it or not.
    let error = error(told(HEAD).body(ada()).trailers(&[("grpc-status", "5")])).await;
    assert_eq!(error.code(), Code::NotFound);
}

#[tokio::test]
async fn details_that_are_malformed_cost_the_details_and_not_the_error() {
    for details in ["***", "/w", "CgsI"] {
        let trailers = [("grpc-status", "5"), ("grpc-message", "gone"), ("grpc-status-details-bin", details)];
        let error = error(told(HEAD).trailers(&trailers)).await;
        assert_eq!((error.code(), error.message(), error.details().len()), (Code::NotFound, "gone", 0));
    }
    // code 5, message "gone", one detail
    let details = "CAUSBGdvbmUaHgoXdHlwZS5nb29nbGVhcGlzLmNvbS9hLkISAwECAw==";
    let error =
        error(told(HEAD).trailers(&[("grpc-status", "5"), ("grpc-status-details-bin", details)])).await;
    assert_eq!((error.code(), error.message()), (Code::NotFound, "gone"));
    assert_eq!((error.details()[0].type_name(), &error.details()[0].value()[..]), ("a.B", &[1, 2, 3][..]));
}

#[tokio::test]
async fn what_is_not_what_was_asked_for_is_not_read_as_if_it_were() {
    let ok: &[(&str, &str)] = &[("grpc-status", "0")];
    let cases: &[(Told, Code, &str)] = &[
        (told(&[("content-type", "text/html")]).body("<p>"), Code::Unknown, "`text/html`"),
        (told(&[]).body("<p>"), Code::Unknown, "content type"),
        (told(&[("content-type", GRPC)]).body(ada()).trailers(ok), Code::Internal, "`application/grpc`"),
        (told(&[HEAD[0], ("grpc-encoding", "br")]).body(ada()).trailers(ok), Code::Internal, "`br`"),
        (told(HEAD).body(envelope(1, "x")).trailers(ok), Code::Internal, "compressed"),
        (told(HEAD).body(envelope(0b100, "x")).trailers(ok), Code::Internal, "flags"),
        (told(HEAD).body(envelope(0x80, "grpc-status: 0")).trailers(ok), Code::Internal, "flags"),
        (told(HEAD).body(ada().slice(..4)).trailers(ok), Code::Internal, "in the middle of a message"),
        (told(HEAD).body(envelope(0, "{")).trailers(ok), Code::Internal, "cannot be read"),
    ];
    for (answer, code, words) in cases {
        let error = error(answer.clone()).await;
        assert_eq!(error.code(), *code, "{error}");
        assert!(error.message().contains(words), "{error}");
    }
}

#[tokio::test]
async fn an_http_status_stands_for_a_code_where_there_is_no_other() {
    let cases = [
        (400, Code::Internal),
        (401, Code::Unauthenticated),
        (403, Code::PermissionDenied),
        (404, Code::Unimplemented),
        (429, Code::Unavailable),
        (502, Code::Unavailable),
        (503, Code::Unavailable),
        (504, Code::Unavailable),
        (302, Code::Unknown),
        (500, Code::Unknown),
        (204, Code::Unknown),
    ];
    for (status, code) in cases {
        let answer = Told { status, ..told(&[("content-type", "text/plain"), ("via", "proxy")]) };
        let error = error(answer).await;
        assert_eq!(error.code(), code, "{status}");
        assert!(error.message().contains(&status.to_string()), "{error}");
        assert!(!error.is_remote());
    }
    let error = error(Told { status: 503, ..told(&[("grpc-status", "16"), ("grpc-message", "who?")]) }).await;
    assert_eq!((error.code(), error.message()), (Code::Unauthenticated, "who?"));
}

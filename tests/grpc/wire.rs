//! Requests as hyper sends them, and what comes back; and servers that answer as they are told.

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, Response, StatusCode, Version};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

use crate::lab::Site;
use crate::soon::soon;

pub(crate) type Body = UnsyncBoxBody<Bytes, Infallible>;

pub(crate) const GRPC: &str = "application/grpc";
pub(crate) const JSON: &str = "application/grpc+json";

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Answer {
    pub(crate) async fn of(response: Response<Incoming>) -> Self {
        let (head, body) = response.into_parts();
        let body = soon(body.collect()).await.unwrap();
        let trailers = body.trailers().cloned();
        Self { status: head.status, headers: head.headers, body: body.to_bytes(), trailers }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        text(&self.headers, name)
    }

    pub(crate) fn trailer(&self, name: &str) -> &str {
        self.trailers.as_ref().map_or("", |trailers| text(trailers, name))
    }

    /// The message of an answer that is one head with this status.
    pub(crate) fn refusal(&self, status: &str) -> &str {
        assert_eq!((self.status.as_u16(), self.header("grpc-status")), (200, status), "{self:?}");
        assert!(self.body.is_empty() && self.trailers.is_none(), "{self:?}");
        self.header("grpc-message")
    }

    /// The one message of an answer that ended well.
    pub(crate) fn message(&self) -> &[u8] {
        assert_eq!(self.trailer("grpc-status"), "0", "{self:?}");
        assert_eq!(self.body[0], 0, "{self:?}");
        &self.body[5..]
    }
}

pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", |value| value.to_str().unwrap())
}

/// A call of a method of the lab, in HTTP/2.
pub(crate) fn call(method: &str, content_type: &str, body: impl Into<Bytes>) -> Request<Body> {
    let request = Request::post(format!("http://lab/lab.v1.Lab/{method}")).version(Version::HTTP_2);
    let request = request.header("content-type", content_type).header("te", "trailers");
    request.body(Full::new(body.into()).boxed_unsync()).unwrap()
}

/// The same call with one more header.
pub(crate) fn with(mut request: Request<Body>, name: &'static str, value: &str) -> Request<Body> {
    request.headers_mut().append(name, value.parse().unwrap());
    request
}

/// A body whose end does not come as long as the sender is held.
pub(crate) fn open_body(first: Bytes) -> (Body, tokio::sync::oneshot::Sender<Infallible>) {
    let (held, end) = tokio::sync::oneshot::channel();
    let frames = stream::unfold((Some(first), end), async |(first, end)| match first {
        Some(first) => Some((Ok(Frame::data(first)), (None, end))),
        None => {
            let _ = end.await;
            None
        }
    });
    (StreamBody::new(frames).boxed_unsync(), held)
}

pub(crate) async fn send(site: &Site, request: Request<Body>) -> Answer {
    Answer::of(start(site, request).await).await
}

/// Sends a request and waits for the head of the answer.
pub(crate) async fn start(site: &Site, request: Request<Body>) -> Response<Incoming> {
    let io = TokioIo::new(TcpStream::connect(site.running.address()).await.unwrap());
    if request.version() == Version::HTTP_2 {
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        return soon(sender.send_request(request)).await.unwrap();
    }
    let (mut sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    let (mut head, body) = request.into_parts();
    head.uri = head.uri.path().parse().unwrap();
    head.headers.insert("host", "lab".parse().unwrap());
    soon(sender.send_request(Request::from_parts(head, body))).await.unwrap()
}

//! hyper's clients for HTTP/1.1 and HTTP/2, and what they get.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request, Response, StatusCode, Version, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::rt::Executor;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::lab::Site;
use crate::soon::soon;

pub(crate) type Body = BoxBody<Bytes, Infallible>;

pub(crate) const BOTH: [Version; 2] = [Version::HTTP_11, Version::HTTP_2];
pub(crate) const JSON: &str = "application/json";
pub(crate) const STREAM: &str = "application/connect+json";

/// A connection, which breaks off when this is dropped.
pub(crate) struct Wire {
    sender: Sender,
    tasks: Tasks,
}

/// All tasks of a connection: on HTTP/2 there are some that outlive the first.
#[derive(Clone, Default)]
struct Tasks(Arc<Mutex<JoinSet<()>>>);

impl<F> Executor<F> for Tasks
where
    F: Future + Send + 'static,
    F::Output: Send,
{
    fn execute(&self, task: F) {
        self.0.lock().unwrap().spawn(async move { drop(task.await) });
    }
}

#[derive(Debug)]
enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.tasks.0.lock().unwrap().abort_all();
    }
}

impl Wire {
    pub(crate) async fn open(site: &Site, version: Version) -> Self {
        let io = TokioIo::new(TcpStream::connect(site.address()).await.unwrap());
        let tasks = Tasks::default();
        let sender = if version == Version::HTTP_2 {
            let (sender, connection) = http2::handshake(tasks.clone(), io).await.unwrap();
            tasks.execute(connection);
            Sender::Http2(sender)
        } else {
            let (sender, connection) = http1::handshake(io).await.unwrap();
            tasks.execute(connection);
            Sender::Http1(sender)
        };
        Self { sender, tasks }
    }

    /// Sends a request and waits for the head of the answer.
    pub(crate) async fn start(&mut self, mut request: Request<Body>) -> hyper::Result<Response<Incoming>> {
        match &mut self.sender {
            Sender::Http1(sender) => {
                sender.ready().await?;
                request.headers_mut().insert(header::HOST, "lab".parse().unwrap());
                soon(sender.send_request(request)).await
            }
            Sender::Http2(sender) => {
                sender.ready().await?;
                let uri = format!("http://lab{}", request.uri());
                *request.uri_mut() = uri.parse().unwrap();
                *request.version_mut() = Version::HTTP_2;
                soon(sender.send_request(request)).await
            }
        }
    }

    pub(crate) async fn send(&mut self, request: Request<Body>) -> Answer {
        let (head, body) = self.start(request).await.unwrap().into_parts();
        let body = soon(body.collect()).await.unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn post(&mut self, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        self.send(post(path, content_type, full(body))).await
    }

    /// Waits until the other side has closed the connection.
    pub(crate) async fn closed(&mut self) {
        let ready = async {
            loop {
                let ready = match &mut self.sender {
                    Sender::Http1(sender) => sender.ready().await,
                    Sender::Http2(sender) => sender.ready().await,
                };
                if ready.is_err() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        soon(ready).await;
    }
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The message of the error, which has this status and code.
    pub(crate) fn error(&self, status: u16, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), JSON, "{self:?}");
        error(&self.json(), code)
    }

    /// The messages of a stream and its last envelope.
    pub(crate) fn stream(&self) -> (Vec<Value>, Value) {
        assert_eq!(self.status, 200, "{self:?}");
        assert_eq!(self.header("content-type"), STREAM, "{self:?}");
        let mut envelopes = envelopes(&self.body);
        let (flags, end) = envelopes.pop().expect("a stream has an end");
        assert_eq!(flags, 2, "the last envelope says that it is the last");
        assert!(envelopes.iter().all(|(flags, _)| *flags == 0), "{envelopes:?}");
        let messages = envelopes.iter().map(|(_, message)| serde_json::from_slice(message).unwrap());
        (messages.collect(), serde_json::from_slice(&end).unwrap())
    }

    /// The messages of a stream that ends with this error, and the error's message.
    pub(crate) fn stream_error(&self, code: &str) -> (Vec<Value>, String) {
        let (messages, end) = self.stream();
        (messages, error(&end["error"], code))
    }
}

fn error(json: &Value, code: &str) -> String {
    assert_eq!(json["code"], code, "{json}");
    json["message"].as_str().unwrap().to_owned()
}

pub(crate) fn post(path: &str, content_type: &str, body: Body) -> Request<Body> {
    let request = Request::builder().method(Method::POST).uri(path);
    request.header(header::CONTENT_TYPE, content_type).body(body).unwrap()
}

pub(crate) fn full(body: impl Into<Bytes>) -> Body {
    Full::new(body.into()).boxed()
}

/// A body whose length nobody knows in advance.
pub(crate) fn chunked(chunks: Vec<Bytes>) -> Body {
    let frames = chunks.into_iter().map(|chunk| Ok(Frame::data(chunk)));
    StreamBody::new(stream::iter(frames)).boxed()
}

/// A body that is sent bit by bit, and ends when the sender is dropped.
pub(crate) fn piecemeal() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let frames = stream::unfold(receiver, async |mut receiver: mpsc::UnboundedReceiver<Bytes>| {
        Some((Ok(Frame::data(receiver.recv().await?)), receiver))
    });
    (sender, Body::new(StreamBody::new(Box::pin(frames))))
}

/// Text of so many bytes, as JSON.
pub(crate) fn json_of(size: usize) -> Bytes {
    format!("\"{}\"", "x".repeat(size - 2)).into()
}

pub(crate) fn envelopes(mut bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let mut all = Vec::new();
    while let Some((head, rest)) = bytes.split_first_chunk::<5>() {
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
        all.push((head[0], rest[..length].to_vec()));
        bytes = &rest[length..];
    }
    assert!(bytes.is_empty(), "{bytes:?} is no envelope");
    all
}

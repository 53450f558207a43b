//! HTTP/2 with gRPC's framing: the prefix of each message, and a trailer with the status. What else gRPC has
//! is left out.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt as _, stream};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use http_body::Frame;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::server::conn::http2::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use load::{Kept, NAME, Ready, Result, Turns};
use prost::Message;
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::accept;
use crate::prefixed::{Note, Wish, encode, put, take};

/// About how much of a stream goes into one frame of data.
const BATCH: usize = 16 * 1024;

type Bodies = UnsyncBoxBody<Bytes, Infallible>;

/// The stack.
#[derive(Debug)]
pub struct Http2;

impl load::Stack for Http2 {
    const NAME: &'static str = "hyper-h2";
    type Connection = Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        let (listener, address) = load::listen().await?;
        ready.at(address)?;
        accept(listener, |io| {
            let mut server = Builder::new(TokioExecutor::new());
            server.timer(TokioTimer::new());
            server.serve_connection(io, service_fn(answer))
        })
        .await
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioExecutor::new(), TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        let uri = |path: &str| format!("http://{address}/peers.v1.Bench/{path}").parse();
        Ok(Connection { sender, echo: uri("Echo")?, count: uri("Count")?, chat: uri("Chat")? })
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Bodies>> {
    let method = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut notes = Messages::new(request.into_body());
    let body = match method.as_str() {
        "Echo" => {
            let note: Note = notes.next().await?.ok_or("a call without a message")?;
            body(stream::iter([encode(&note)]))
        }
        "Count" => {
            let wish: Wish = notes.next().await?.ok_or("a call without a message")?;
            body(stream::iter(Batches { left: wish.count, size: wish.size }))
        }
        "Chat" => body(stream::unfold(notes, |mut notes| async {
            // A stream that breaks ends.
            let mut batch = BytesMut::new();
            put(&mut batch, &notes.next::<Note>().await.ok()??);
            while batch.len() < BATCH
                && let Ok(Some(note)) = notes.ready::<Note>()
            {
                put(&mut batch, &note);
            }
            Some((batch.freeze(), notes))
        })),
        other => return Err(format!("`{other}` is no method").into()),
    };
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    Ok(response)
}

/// A body with the status behind it.
fn body(data: impl Stream<Item = Bytes> + Send + 'static) -> Bodies {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static("0"));
    let frames = data.map(Frame::data).chain(stream::iter([Frame::trailers(trailers)]));
    StreamBody::new(frames.map(Ok)).boxed_unsync()
}

/// A server stream, as pieces of many messages.
struct Batches {
    left: u32,
    size: u32,
}

impl Iterator for Batches {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut batch = BytesMut::new();
        while self.left > 0 && batch.len() < BATCH {
            self.left -= 1;
            put(&mut batch, &Note { name: NAME.to_owned(), payload: vec![b'x'; self.size as usize] });
        }
        (!batch.is_empty()).then(|| batch.freeze())
    }
}

/// The messages in a body.
struct Messages {
    body: Incoming,
    received: BytesMut,
}

impl Messages {
    fn new(body: Incoming) -> Self {
        Self { body, received: BytesMut::new() }
    }

    async fn next<M: Message + Default>(&mut self) -> Result<Option<M>> {
        loop {
            if let Some(message) = take(&mut self.received)? {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            self.add(frame?);
        }
    }

    /// A message that is there already.
    fn ready<M: Message + Default>(&mut self) -> Result<Option<M>> {
        take(&mut self.received)
    }

    fn add(&mut self, frame: Frame<Bytes>) {
        if let Ok(data) = frame.into_data() {
            self.received.extend_from_slice(&data);
        }
    }
}

/// A connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Bodies>,
    echo: Uri,
    count: Uri,
    chat: Uri,
}

impl Connection {
    async fn send(&self, uri: &Uri, body: Bodies) -> Result<Messages> {
        let mut request = Request::post(uri.clone()).body(body)?;
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        request.headers_mut().insert("te", HeaderValue::from_static("trailers"));
        let response = self.sender.clone().send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("the server answers {}", response.status()).into());
        }
        Ok(Messages::new(response.into_body()))
    }
}

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        let note = Note { name: name.to_owned(), payload: payload.to_vec() };
        let mut notes = self.send(&self.echo, one(encode(&note))).await?;
        let note: Note = notes.next().await?.ok_or("an answer without a message")?;
        // The trailers end the call.
        while notes.body.frame().await.transpose()?.is_some() {}
        Ok(note.payload.len())
    }

    async fn count(&self, count: u32, size: u32, each: &mut (impl FnMut(usize) + Send)) -> Result<()> {
        let mut notes = self.send(&self.count, one(encode(&Wish { count, size }))).await?;
        while let Some(note) = notes.next::<Note>().await? {
            each(note.payload.len());
        }
        Ok(())
    }

    async fn chat(&self, name: &str, payload: &[u8], turns: Turns) -> Result<()> {
        let note = Note { name: name.to_owned(), payload: payload.to_vec() };
        let sent = Chunks { turns: turns.clone(), note };
        let body = StreamBody::new(sent.map(|data| Ok(Frame::data(data)))).boxed_unsync();
        let mut notes = self.send(&self.chat, body).await?;
        while let Some(note) = notes.next::<Note>().await? {
            turns.back(note.payload.len());
        }
        Ok(())
    }

    async fn keep_open(&self, name: &str, payload: &[u8]) -> Result<Kept> {
        let (sender, receiver) = mpsc::channel(1);
        sender.send(encode(&Note { name: name.to_owned(), payload: payload.to_vec() })).await?;
        let sent =
            stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
        let body = StreamBody::new(sent.map(|data| Ok(Frame::data(data)))).boxed_unsync();
        let mut notes = self.send(&self.chat, body).await?;
        notes.next::<Note>().await?;
        Ok(Box::new((sender, notes)))
    }
}

/// A body with one message.
fn one(message: Bytes) -> Bodies {
    http_body_util::Full::new(message).boxed_unsync()
}

/// The messages that it is the turn of, as many in one piece as there are.
struct Chunks {
    turns: Turns,
    note: Note,
}

impl Stream for Chunks {
    type Item = Bytes;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut batch = BytesMut::new();
        while batch.len() < BATCH {
            match self.turns.poll_next_unpin(context) {
                Poll::Ready(Some(())) => put(&mut batch, &self.note.clone()),
                Poll::Ready(None) if batch.is_empty() => return Poll::Ready(None),
                Poll::Pending if batch.is_empty() => return Poll::Pending,
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(batch.freeze()))
    }
}

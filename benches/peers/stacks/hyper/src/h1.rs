//! HTTP/1.1 with JSON: one call at a time on each connection, which is kept. It has no streams.

use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use load::{Ready, Result, Sharing};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::net::TcpStream;
use tokio::sync::Mutex;

use crate::accept;

/// The message that goes both ways.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Note {
    /// 16 bytes.
    pub name: String,
    /// In base64, as in the JSON of protobuf.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        serialize_with = "to_text",
        deserialize_with = "of_text"
    )]
    pub payload: Vec<u8>,
}

fn to_text<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn of_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
    STANDARD.decode(&*text).map_err(serde::de::Error::custom)
}

/// The stack.
#[derive(Debug)]
pub struct Http1;

impl load::Stack for Http1 {
    const NAME: &'static str = "hyper-h1";
    const SHARING: Sharing = Sharing::OneEach;
    type Connection = Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        let (listener, address) = load::listen().await?;
        ready.at(address)?;
        accept(listener, |io| {
            Builder::new().timer(TokioTimer::new()).serve_connection(io, service_fn(answer))
        })
        .await
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<Connection> {
        Connection::open(address).await
    }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>> {
    let body = request.into_body().collect().await?.to_bytes();
    let note: Note = serde_json::from_slice(&body)?;
    let mut response = Response::new(Full::from(serde_json::to_vec(&note)?));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// A connection, which has one call at a time.
#[derive(Debug)]
pub struct Connection {
    host: HeaderValue,
    sender: Mutex<SendRequest<Full<Bytes>>>,
}

impl Connection {
    /// Connects.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(Self { host: HeaderValue::try_from(address.to_string())?, sender: Mutex::new(sender) })
    }
}

impl load::Connection for Connection {
    async fn echo(&self, name: &str, payload: &[u8]) -> Result<usize> {
        let note = Note { name: name.to_owned(), payload: payload.to_vec() };
        let request = Request::post("/peers.v1.Bench/Echo")
            .header(HOST, self.host.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::from(serde_json::to_vec(&note)?))?;
        let mut sender = self.sender.lock().await;
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        if !response.status().is_success() {
            return Err(format!("the server answers {}", response.status()).into());
        }
        let body = response.into_body().collect().await?.to_bytes();
        Ok(serde_json::from_slice::<Note>(&body)?.payload.len())
    }
}

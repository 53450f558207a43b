//! Answers that are of the protocol that was asked in, or nearly so.

use std::convert::Infallible;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro::client::{HttpVersion, Protocol};
use micro::transport::BoxIo;

use crate::body::{End, Sent};
use crate::caller::Calling;
use crate::input::{Input, headers};
use crate::world::run;
use crate::wrap::{COMPRESSIONS, Wrapping};

/// The statuses of answers.
const STATUSES: [u16; 12] = [200, 200, 200, 204, 302, 400, 404, 415, 429, 500, 503, 599];

/// Makes a call ([`Calling::read`]) to a server that answers as the rest of the input says, a byte each:
/// the status, the compression, how the body is wrapped ([`Wrapping`]), and how it is sent:
///
/// | Bit | If set |
/// |---|---|
/// | 0 | the body breaks off |
/// | 1 | the body never ends |
/// | 2 | the body comes in chunks of 7 bytes |
/// | 3 | the trailers stand in the head |
/// | 4 | there is no content type |
/// | 5 | what is due in base64 is not |
///
/// Then come headers and trailers ([`headers`]), and the rest is the body.
pub fn answer(input: &[u8]) {
    let mut input = Input(input);
    let calling = Calling::read(&mut input);
    let status = StatusCode::from_u16(input.one_of(&STATUSES)).unwrap_or_default();
    let compression = input.one_of(&COMPRESSIONS);
    let wrapping = Wrapping(input.byte());
    let how = input.byte();

    let (content_type, encoding) = types(calling);
    let mut head = HeaderMap::new();
    if let (0, Ok(content_type)) = (how & 0b1_0000, content_type.parse()) {
        head.insert(CONTENT_TYPE, content_type);
    }
    if let Some(Ok(name)) = compression.map(str::parse) {
        head.insert(encoding, name);
    }
    for (name, value) in headers(&mut input) {
        match name {
            CONTENT_TYPE => drop(head.insert(name, value)),
            name => drop(head.append(name, value)),
        }
    }
    let mut trailers: HeaderMap = headers(&mut input).into_iter().collect();
    if how & 0b1000 != 0 {
        head.extend(std::mem::take(&mut trailers));
    }
    let end = match how & 0b11 {
        0 if trailers.is_empty() => End::Good,
        0 => End::Trailers(trailers),
        1 => End::Broken,
        _ => End::Never,
    };
    let chunk = if how & 0b100 == 0 { usize::MAX } else { 7 };
    let body = wrapping.wrap(input.0, compression);
    let body = match calling.protocol {
        Protocol::GrpcWebText if how & 0b10_0000 == 0 => STANDARD.encode(body).into(),
        _ => body,
    };
    let answer = Arc::new((status, head, body, chunk, end));
    run(async |_| calling.make(|io| serve(io, calling.version, answer.clone())).await);
}

/// The content type that is due, and the header that names the compression.
fn types(calling: Calling) -> (String, &'static str) {
    let codec = calling.codec;
    match calling.protocol {
        Protocol::Connect if calling.is_unary() => (format!("application/{codec}"), "content-encoding"),
        Protocol::Connect => (format!("application/connect+{codec}"), "connect-content-encoding"),
        Protocol::Grpc => (format!("application/grpc+{codec}"), "grpc-encoding"),
        Protocol::GrpcWeb => (format!("application/grpc-web+{codec}"), "grpc-encoding"),
        Protocol::GrpcWebText => (format!("application/grpc-web-text+{codec}"), "grpc-encoding"),
        _ if codec == "proto" => ("application/protobuf".to_owned(), "content-encoding"),
        _ => (format!("application/{codec}"), "content-encoding"),
    }
}

type Answer = (StatusCode, HeaderMap, Vec<u8>, usize, End);

async fn serve(io: BoxIo, version: HttpVersion, answer: Arc<Answer>) {
    let service = service_fn(move |_: Request<Incoming>| {
        let (status, head, body, chunk, end) = (*answer).clone();
        let mut response = Response::new(Sent::new(body, chunk, end));
        *response.status_mut() = status;
        *response.headers_mut() = head;
        async { Ok::<_, Infallible>(response) }
    });
    // A connection that breaks off is one of the things that are tried.
    match version {
        HttpVersion::Http1 => drop(http1::Builder::new().serve_connection(TokioIo::new(io), service).await),
        _ => {
            drop(http2::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await)
        }
    }
}

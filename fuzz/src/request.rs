//! Requests that are calls, or nearly so.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use micro::transport::BoxIo;

use crate::body::{End, Sent};
use crate::input::{Input, headers};
use crate::verdict::{Reply, check};
use crate::world::{run, soon};
use crate::wrap::{COMPRESSIONS, Wrapping};

/// The kinds of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Connect,
    ConnectStream,
    ConnectGet,
    Grpc,
    GrpcWeb,
    GrpcWebText,
    Mucp,
    Event,
    Page,
}

const FORMS: [Form; 9] = [
    Form::Connect,
    Form::ConnectStream,
    Form::ConnectGet,
    Form::Grpc,
    Form::GrpcWeb,
    Form::GrpcWebText,
    Form::Mucp,
    Form::Event,
    Form::Page,
];

/// What is called: a path, and go-micro's name for it.
const METHODS: [(&str, &str); 12] = [
    ("/fuzz.v1.Lab/Echo", "Lab.Echo"),
    ("/fuzz.v1.Lab/Split", "Lab.Split"),
    ("/fuzz.v1.Lab/Join", "Lab.Join"),
    ("/fuzz.v1.Lab/Chat", "Lab.Chat"),
    ("/fuzz.v1.Lab/Same", "Lab.Same"),
    ("/fuzz.v1.Lab/Fail", "Lab.Fail"),
    ("/fuzz.v1.Lab/Nothing", "Lab.Nothing"),
    ("/Lab/Echo", "Echo"),
    ("/grpc.health.v1.Health/Check", "Health.Check"),
    ("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", "ServerReflection.ServerReflectionInfo"),
    ("/said", "."),
    ("/", ""),
];

/// Codecs, and how go-micro calls them.
const CODECS: [(&str, &str); 3] = [("json", "json"), ("proto", "protobuf"), ("none", "none")];

/// Sends a request to a server and reads what it answers.
///
/// The input says, a byte each: the kind of request, what is called, the codec, the compression, how
/// the body is wrapped ([`Wrapping`]), and how it is sent:
///
/// | Bit | If set |
/// |---|---|
/// | 0 | the service has layers, CORS, compression and a mounted service |
/// | 1 | over the version of HTTP that this kind of request is not known for |
/// | 2 | the body breaks off |
/// | 3 | the body never ends |
/// | 4 | the body comes in chunks of 7 bytes |
///
/// Then come headers ([`headers`]), and the rest is the body.
pub fn request(input: &[u8]) {
    let mut input = Input(input);
    let form = input.one_of(&FORMS);
    let (path, endpoint) = input.one_of(&METHODS);
    let (codec, go_codec) = input.one_of(&CODECS);
    let compression = input.one_of(&COMPRESSIONS);
    let wrapping = Wrapping(input.byte());
    let how = input.byte();

    let mut request = Request::builder().method(Method::POST).uri(path);
    request = match form {
        Form::Connect | Form::ConnectGet => request.header(CONTENT_TYPE, format!("application/{codec}")),
        Form::ConnectStream => request.header(CONTENT_TYPE, format!("application/connect+{codec}")),
        Form::Grpc => request.header(CONTENT_TYPE, format!("application/grpc+{codec}")),
        Form::GrpcWeb => request.header(CONTENT_TYPE, format!("application/grpc-web+{codec}")),
        Form::GrpcWebText => request.header(CONTENT_TYPE, format!("application/grpc-web-text+{codec}")),
        Form::Mucp => request
            .header(CONTENT_TYPE, format!("application/{go_codec}"))
            .header("micro-service", "lab")
            .header("micro-endpoint", endpoint),
        Form::Event => {
            request.header(CONTENT_TYPE, format!("application/{go_codec}")).header("micro-topic", "said")
        }
        Form::Page => request.header(ACCEPT, "*/*"),
    };
    if let Some(name) = compression {
        let header = match form {
            Form::ConnectStream => "connect-content-encoding",
            Form::Grpc | Form::GrpcWeb | Form::GrpcWebText => "grpc-encoding",
            _ => "content-encoding",
        };
        request = request.header(header, name);
    }
    let Ok(mut request) = request.body(()) else { return };
    for (name, value) in headers(&mut input) {
        match name {
            CONTENT_TYPE => drop(request.headers_mut().insert(name, value)),
            name => drop(request.headers_mut().append(name, value)),
        }
    }
    let body = wrapping.wrap(input.0, compression);
    let body = match form {
        Form::GrpcWebText if how & 0b10_0000 == 0 => STANDARD.encode(body).into(),
        Form::ConnectGet => {
            *request.method_mut() = Method::GET;
            // As the specification has it, or whatever is there.
            let message = URL_SAFE_NO_PAD.encode(&body);
            let compression = compression.map(|name| format!("&compression={name}")).unwrap_or_default();
            let good = format!("{path}?connect=v1&base64=1&encoding={codec}{compression}&message={message}");
            let raw = [path.as_bytes(), b"?", input.0].concat();
            let uri = match how & 0b10_0000 {
                0 => good.parse().ok(),
                _ => http::Uri::try_from(raw).ok(),
            };
            let Some(uri) = uri else { return };
            *request.uri_mut() = uri;
            Vec::new()
        }
        _ => body,
    };
    let http2 = (form == Form::Grpc) != (how & 2 != 0);
    let chunk = if how & 0b1_0000 == 0 { usize::MAX } else { 7 };
    let end = match how & 0b1100 {
        0 => End::Good,
        0b100 => End::Broken,
        _ => End::Never,
    };
    let body = Sent::new(body, chunk, end);
    run(async |world| {
        let io = world.site(how & 1 != 0).connect().await;
        let reply = soon("an answer", send(io, request.map(|()| body), http2)).await;
        if let Some(reply) = reply {
            check(&reply);
        }
    });
}

/// Sends a request; `None` where nothing comes back.
async fn send(io: BoxIo, mut request: Request<Sent>, http2: bool) -> Option<Reply> {
    let response: Response<hyper::body::Incoming>;
    // What holds the connection, until the answer is read.
    let (_one, _two);
    if http2 {
        let path = request.uri().path_and_query()?.as_str();
        *request.uri_mut() = format!("http://lab{path}").parse().ok()?;
        let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(io)).await.ok()?;
        tokio::spawn(connection);
        response = sender.send_request(request).await.ok()?;
        _two = sender;
    } else {
        request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("lab"));
        let (mut sender, connection) = http1::handshake(TokioIo::new(io)).await.ok()?;
        tokio::spawn(connection);
        response = sender.send_request(request).await.ok()?;
        _one = sender;
    }
    Some(Reply::read(response).await)
}

//! The client half: one call on one connection.
//!
//! The connection is of HTTP/1.1, and the call has it for itself: go-micro's server loses a request
//! that comes while another one runs.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;

use super::frame::{ENDPOINT, ERROR, ID, METHOD, SERVICE, STREAM, TIMEOUT};
use super::{error, frame};
use crate::codec::Codec;
use crate::endpoint::{Inbound, MethodDescriptor, Outbound, camel_case};
use crate::error::{Code, Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::body::{ReadLimits, WireBody, read_all};
use crate::protocol::sending::uri;
use crate::protocol::{Answer, Outgoing, Target};

/// How much of a text that is not an answer is shown, in bytes.
const SHOWN: usize = 512;

/// Makes one call. `send` puts the request on its way at once, and its future is the head of the
/// response.
pub(crate) async fn call<B, Fut>(
    outgoing: Outgoing,
    target: Target<'_>,
    send: impl FnOnce(Request<WireBody>) -> Fut,
) -> Result<Answer>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>>> + Send + 'static,
{
    let method = outgoing.method;
    if !method.is_unary() {
        return Err(no_streams(method));
    }
    let codec = outgoing.codec.clone();
    let limits = ReadLimits { max_message_size: outgoing.max_message_size, idle: None };
    let head = send(request(outgoing, target)?).await?;
    answer(method, &codec, head, limits).await
}

#[cold]
fn no_streams(method: &MethodDescriptor) -> Error {
    Error::unimplemented(format!(
        "{}/{} streams, and go-micro's own RPC cannot be streamed over HTTP: let the node serve it with \
         go-micro's gRPC plugin (go-micro.dev/v5/server/grpc) and call it in `grpc`",
        method.service, method.name
    ))
    .never_processed()
}

fn request(outgoing: Outgoing, target: Target<'_>) -> Result<Request<WireBody>> {
    let Outgoing { method, codec, .. } = &outgoing;
    let media_type = frame::media_type(codec)
        .ok_or_else(|| Error::invalid_argument(format!("`{}` is not a content subtype", codec.name())))?;
    let service = header("the name of the service", &outgoing.service)?;
    let endpoint = header("the name of the method", &endpoint(method))?;
    let mut headers = HeaderMap::new();
    frame::extend(&mut headers, &outgoing.metadata);
    headers.insert(SERVICE, service);
    headers.insert(METHOD, endpoint.clone());
    headers.insert(ENDPOINT, endpoint);
    // Go takes a request for a part of the one before, and throws it away, if the two have the same
    // number here and that one has only just been answered. It tells streams from other calls by its
    // handlers, and not by this header.
    let number = number();
    headers.insert(ID, number.clone());
    headers.insert(STREAM, number);
    headers.insert(ACCEPT, media_type.clone());
    headers.insert(CONTENT_TYPE, media_type);
    if let Some(timeout) = outgoing.remaining() {
        let nanos = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX).max(1);
        headers.insert(TIMEOUT, HeaderValue::from(nanos));
    }

    let Outbound::One(message) = outgoing.body else {
        return Err(Error::internal("a stream is sent where one message is due"));
    };
    let mut request = Request::new(WireBody::full(message));
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = uri(target, PathAndQuery::from_static("/"))?;
    *request.headers_mut() = headers;
    Ok(request)
}

/// What go-micro calls a method: the last part of the contract's name, and the names as Go has them.
fn endpoint(method: &MethodDescriptor) -> String {
    let service = method.service.rsplit('.').next().unwrap_or(method.service);
    format!("{}.{}", camel_case(service), camel_case(method.name))
}

fn header(what: &str, text: &str) -> Result<HeaderValue> {
    HeaderValue::from_str(text).map_err(|error| {
        Error::invalid_argument(format!("{what} `{text}` cannot be in a header")).with_source(error)
    })
}

/// A number that no other call on the connection has.
fn number() -> HeaderValue {
    HeaderValue::from(fastrand::u64(..))
}

async fn answer<B>(
    method: &MethodDescriptor,
    codec: &Codec,
    response: Response<B>,
    limits: ReadLimits,
) -> Result<Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = response.into_parts();
    let metadata = metadata(&head.headers);
    let failed = head.headers.get(ERROR).filter(|value| !value.is_empty());
    if let Some(value) = failed {
        let mut error = error::read(value, method);
        error.metadata_mut().extend(metadata);
        // Read to its end, the connection is good for another call.
        let _ = read_all(body, limits).await;
        return Err(error);
    }
    let message = read_all(body, limits).await?;
    if head.status != StatusCode::OK {
        return Err(http_error(head.status, &message));
    }
    check_type(&head.headers, codec, &message)?;
    let around = Around { headers: metadata.into(), trailers: Metadata::new().into() };
    Ok(Answer { around: Arc::new(around), body: Inbound::One(message) })
}

/// The metadata of an answer. go-micro's server has none: it repeats the headers of the first request
/// of the connection, which may have been another caller's.
fn metadata(headers: &HeaderMap) -> Metadata {
    if [SERVICE, ENDPOINT, METHOD].iter().any(|name| headers.contains_key(name)) {
        return Metadata::new();
    }
    frame::metadata(headers)
}

/// An error of something in between: go-micro's own status is always 200.
#[cold]
fn http_error(status: StatusCode, body: &[u8]) -> Error {
    let text = shown(body);
    Error::new(
        Code::from_http_status(status),
        format!("the server answered the HTTP status {status}: {text}"),
    )
}

/// Checks that what is not empty is in the encoding that was asked for.
fn check_type(headers: &HeaderMap, codec: &Codec, message: &[u8]) -> Result<()> {
    let Some(given) = headers.get(CONTENT_TYPE).filter(|_| !message.is_empty()) else { return Ok(()) };
    if frame::codec_name(given) == Some(codec.name()) {
        return Ok(());
    }
    let given = given.to_str().unwrap_or("?");
    // This is how go-micro says that it does not know a content type.
    if given.starts_with("text/plain") {
        return Err(Error::unimplemented(format!("the server cannot answer: {}", shown(message))));
    }
    let name = codec.name();
    Err(Error::unknown(format!("the answer has the content type `{given}` and is not `{name}`")))
}

fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    if body.len() > SHOWN { format!("{text}…") } else { text.trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use http::uri::{Authority, Scheme};
    use std::time::Duration;

    use http::HeaderMap;
    use http_body_util::Full;
    use tokio::time::Instant;

    use super::*;
    use crate::Streaming;

    const HELLO: MethodDescriptor = MethodDescriptor::new::<String, String>(
        "greeter.v1.Greeter",
        "say_hello",
        "/greeter.v1.Greeter/say_hello",
        "",
    );
    const COUNT: MethodDescriptor = MethodDescriptor::new::<u64, Streaming<u64>>(
        "greeter.v1.Greeter",
        "Count",
        "/greeter.v1.Greeter/Count",
        "",
    );

    fn outgoing(method: &'static MethodDescriptor) -> Outgoing {
        let mut metadata = Metadata::new();
        metadata.append("tenant", "acme").unwrap();
        metadata.append("micro-topic", "taken for an event").unwrap();
        Outgoing {
            service: "greeter".into(),
            method,
            codec: Codec::JSON,
            compression: None,
            http_get: false,
            metadata,
            deadline: Some(Instant::now() + Duration::from_secs(5)),
            body: Outbound::One(Bytes::from_static(b"\"Ada\"")),
            max_message_size: 64,
        }
    }

    fn target(authority: &Authority) -> Target<'_> {
        Target { scheme: &Scheme::HTTP, authority, version: Version::HTTP_11 }
    }

    /// Makes a call that is answered like this, and returns what was sent as well.
    async fn answered(
        status: u16,
        headers: &[(&'static str, &str)],
        body: &'static str,
    ) -> (Result<Answer>, http::request::Parts) {
        let mut response = Response::new(Full::new(Bytes::from_static(body.as_bytes())));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        for (name, value) in headers {
            response.headers_mut().insert(*name, HeaderValue::from_str(value).unwrap());
        }
        let mut sent = None;
        let authority = Authority::from_static("10.0.0.5:80");
        let answer = call(outgoing(&HELLO), target(&authority), |request| {
            sent = Some(request.into_parts().0);
            async { Ok::<Response<Full<Bytes>>, Error>(response) }
        });
        let answer = answer.await;
        (answer, sent.unwrap())
    }

    async fn error(status: u16, headers: &[(&'static str, &str)], body: &'static str) -> Error {
        answered(status, headers, body).await.0.err().unwrap()
    }

    fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
        headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_is_a_post_with_the_names_that_go_micro_has() {
        let (answer, sent) = answered(200, &[("content-type", "application/json")], "\"Hello\"\n").await;
        assert!(matches!(answer.unwrap().body, Inbound::One(body) if &body[..] == b"\"Hello\"\n"));
        assert_eq!((sent.method.as_str(), sent.version), ("POST", Version::HTTP_11));
        assert_eq!(sent.uri, "http://10.0.0.5:80/");
        let headers = &sent.headers;
        for (name, value) in [
            ("micro-service", "greeter"),
            ("micro-endpoint", "Greeter.SayHello"),
            ("micro-method", "Greeter.SayHello"),
            ("content-type", "application/json"),
            ("accept", "application/json"),
            ("timeout", "5000000000"),
            ("tenant", "acme"),
            ("micro-topic", ""),
        ] {
            assert_eq!(text(headers, name), value, "{name}");
        }
        assert!(!text(headers, "micro-id").is_empty());
        assert_eq!(text(headers, "micro-id"), text(headers, "micro-stream"));
        let (_, next) = answered(200, &[], "").await;
        assert_ne!(text(headers, "micro-stream"), text(&next.headers, "micro-stream"));
    }

    #[tokio::test]
    async fn what_go_repeats_of_somebody_elses_request_is_no_metadata() {
        let echo = [("micro-service", "x"), ("authorization", "Bearer of-another"), ("tenant", "umbrella")];
        let answer = answered(200, &echo, "").await.0.unwrap();
        assert!(answer.around.headers.get().unwrap().is_empty());
        let own = answered(200, &[("tenant", "umbrella")], "").await.0.unwrap();
        assert_eq!(own.around.headers.get().unwrap().get("tenant"), Some("umbrella"));
    }

    #[tokio::test]
    async fn errors_keep_their_code_and_plain_text_is_unknown() {
        let json = r#"{"id":"greeter","code":409,"detail":"there already","status":"Conflict"}"#;
        let known = error(200, &[("micro-error", json), ("tenant", "acme")], "").await;
        assert_eq!((known.code(), known.message()), (Code::AlreadyExists, "there already"));
        assert!(known.is_remote());
        assert_eq!(known.metadata().get("tenant"), Some("acme"));
        let plain = error(200, &[("micro-error", "boom")], "ignored").await;
        assert_eq!((plain.code(), plain.message()), (Code::Unknown, "boom"));
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        let unsupported = [("content-type", "text/plain")];
        let unsupported = error(200, &unsupported, "unsupported Content-Type: application/json").await;
        assert_eq!(unsupported.code(), Code::Unimplemented);
        assert!(
            unsupported.message().contains("unsupported Content-Type: application/json"),
            "{unsupported}"
        );
        let proxy = error(502, &[("content-type", "text/html")], "<h1>no</h1>").await;
        assert_eq!(proxy.code(), Code::Unavailable);
        assert!(proxy.message().contains("502 Bad Gateway: <h1>no</h1>"), "{proxy}");
        let other = error(200, &[("content-type", "application/protobuf")], "x").await;
        assert!(other.message().contains("is not `json`"), "{other}");
        let large =
            error(200, &[], "a message that is longer than sixty-four bytes, which is the limit here").await;
        assert_eq!(large.code(), Code::ResourceExhausted);
    }

    #[tokio::test]
    async fn the_content_type_of_an_empty_answer_may_be_an_older_one() {
        let empty = answered(200, &[("content-type", "application/protobuf")], "").await.0.unwrap();
        assert!(matches!(empty.body, Inbound::One(body) if body.is_empty()));
    }

    #[tokio::test]
    async fn a_call_that_streams_names_the_way_out_and_sends_nothing() {
        let authority = Authority::from_static("10.0.0.5:80");
        let call = call(outgoing(&COUNT), target(&authority), |_| {
            std::future::pending::<Result<Response<http_body_util::Empty<Bytes>>>>()
        });
        let error = call.await.err().unwrap();
        assert_eq!(error.code(), Code::Unimplemented);
        assert!(error.message().contains("go-micro.dev/v5/server/grpc"), "{error}");
    }
}

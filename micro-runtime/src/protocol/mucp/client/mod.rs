//! The client half: one call on one connection.
//!
//! The connection is of HTTP/1.1, and the call has it for itself: go-micro's server loses a request
//! that comes while another one runs.

mod answer;
mod request;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::read_limits::ReadLimits;
use crate::protocol::{Answer, Outgoing, Target};

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
    let head = send(request::of(outgoing, target)?).await?;
    answer::read(method, &codec, head, limits).await
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::uri::{Authority, Scheme};
    use http::{HeaderMap, HeaderValue, StatusCode, Version};
    use http_body_util::Full;
    use tokio::time::Instant;

    use super::*;
    use crate::codec::Codec;
    use crate::endpoint::{Inbound, Outbound};
    use crate::error::Code;
    use crate::metadata::Metadata;
    use crate::stream::Streaming;

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
            method,
            codec: Codec::JSON,
            compression: None,
            http_get: false,
            metadata,
            deadline: Some(Instant::now() + Duration::from_secs(5)),
            route: Default::default(),
            body: Outbound::One(Bytes::from_static(b"\"Ada\"")),
            max_message_size: 64,
        }
    }

    fn target(authority: &Authority) -> Target<'_> {
        Target { service: "greeter", scheme: &Scheme::HTTP, authority, version: Version::HTTP_11 }
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
        assert!(answer.around.unwrap().headers.get().unwrap().is_empty());
        let own = answered(200, &[("tenant", "umbrella")], "").await.0.unwrap();
        assert_eq!(own.around.unwrap().headers.get().unwrap().get("tenant"), Some("umbrella"));
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

//! The server half: one message.

mod answer;
mod event;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;

use super::frame;
use crate::codec::Codec;
use crate::context::{Incoming, Origin};
use crate::endpoint::{Arrival, BodyDescriptor, Endpoint, Inbound, run};
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::grpc::Dialect;
use crate::protocol::linger::Lingering;
use crate::protocol::read_limits::{ReadLimits, read_all};
use crate::protocol::{Site, connect, go_micro};
use answer::Failure;

/// Whether a request is a message of go-micro's own RPC. It may be on any path, with any method, and
/// it may come over HTTP/2 as well, where it is served in the same way.
///
/// Requests in other protocols can have the headers that make one too: go-micro's gRPC client sends
/// on what it got.
pub(crate) fn is_message<B>(request: &Request<B>) -> bool {
    let headers = request.headers();
    (frame::endpoint(headers).is_some() || frame::topic(headers).is_some()) && !is_of_others(headers)
}

fn is_of_others(headers: &HeaderMap) -> bool {
    Dialect::of(headers).is_some() || connect::is_call(headers)
}

/// Serves one message.
pub(crate) async fn serve<B>(site: &Site, request: Request<B>, peer: Arc<Origin>) -> Response<WireBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let headers = &head.headers;
    let body = Lingering::of(headers, body, site.max_message_size);
    if let Some(topic) = frame::topic(headers) {
        return event::serve(site, topic, headers, body, peer).await;
    }
    if frame::ends_stream(headers) {
        return answer::over();
    }
    let served = async {
        let endpoint = find(site, headers)?;
        let of_method = |error| Failure { error, method: Some(endpoint.method) };
        if !endpoint.method.is_unary() {
            return Err(of_method(streams(endpoint)));
        }
        let codec = codec(site, &endpoint.method.request, headers).map_err(of_method)?;
        let incoming = Arc::new(Incoming::new(frame::metadata(headers), peer));
        let arrival = arrival(site, headers, codec, incoming.clone());
        let message = pin!(async { read(site, body).await.map(Inbound::One) });
        let answer = run(endpoint, arrival, message).await;
        Ok(answer::unary(answer, headers.get(CONTENT_TYPE), codec, endpoint.method, &incoming))
    };
    served.await.unwrap_or_else(answer::failed)
}

fn find<'a>(site: &'a Site, headers: &HeaderMap) -> Result<&'a Endpoint, Failure> {
    // There is one, or this would be no message.
    let name = frame::endpoint(headers).unwrap_or_default();
    let found = match name.split_once('.') {
        Some((handler, method)) if !handler.is_empty() && !method.is_empty() => {
            site.routes.find_endpoint(name)
        }
        _ => Err(Error::invalid_argument(format!(
            "`{name}` is not the name of an endpoint, which is made of two words: `Greeter.Hello`"
        ))),
    };
    found.map(|endpoint| &**endpoint).map_err(|error| Failure { error, method: None })
}

/// A call as it goes to its handler.
fn arrival(site: &Site, headers: &HeaderMap, codec: &Codec, incoming: Arc<Incoming>) -> Arrival {
    Arrival {
        incoming,
        codec: codec.clone(),
        answer_codec: codec.clone(),
        timeout: go_micro::timeout(headers),
        interceptors: site.interceptors.clone(),
        begun: Instant::now(),
    }
}

async fn read<B>(site: &Site, body: B) -> Result<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let limits = ReadLimits { max_message_size: site.max_message_size, idle: Some(site.body_timeout) };
    read_all(body, limits).await
}

/// The codec of a message, which is protobuf where no content type says otherwise.
fn codec<'a>(site: &'a Site, body: &BodyDescriptor, headers: &HeaderMap) -> Result<&'a Codec> {
    let given = headers.get(CONTENT_TYPE);
    let name = given.map_or(Some("proto"), frame::codec_name);
    let codec = name.and_then(|name| site.codecs.find(name));
    codec.filter(|codec| body.reads(codec)).ok_or_else(|| unsupported(site, body, given))
}

#[cold]
fn unsupported(site: &Site, body: &BodyDescriptor, given: Option<&HeaderValue>) -> Error {
    let given = given.map(|value| value.to_str().unwrap_or("?"));
    let known = site.codecs.iter().filter(|codec| body.reads(codec)).filter_map(frame::media_type);
    let known: Vec<_> = known.map(|known| known.to_str().unwrap_or_default().to_owned()).collect();
    let (known, name) = (known.join(", "), body.shape.name);
    let what = match given {
        None => "there is no content type, which stands for application/protobuf".to_owned(),
        Some(given) => format!("unsupported Content-Type: {given}"),
    };
    let legacy = match given {
        Some("application/json-rpc" | "application/proto-rpc") => {
            "; go-micro sends this to a node whose registry record does not say `protocol=mucp`"
        }
        _ => "",
    };
    Error::invalid_argument(format!("{what}; messages of type `{name}` are sent as: {known}{legacy}"))
}

#[cold]
fn streams(endpoint: &Endpoint) -> Error {
    let method = endpoint.method;
    Error::unimplemented(format!(
        "{}/{} streams, and go-micro's own RPC cannot be streamed over HTTP: call it with go-micro's gRPC \
         plugin (go-micro.dev/v5/client/grpc), at the same address",
        method.service, method.name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_message(headers: &[(&'static str, &'static str)]) -> bool {
        let mut request = Request::new(());
        for (name, value) in headers {
            request.headers_mut().insert(*name, HeaderValue::from_static(value));
        }
        super::is_message(&request)
    }

    #[test]
    fn a_message_is_known_by_what_it_is_for() {
        assert!(is_message(&[("micro-endpoint", "A.B")]));
        assert!(is_message(&[("x-micro-method", "A.B")]));
        assert!(is_message(&[("micro-topic", "a")]));
        assert!(!is_message(&[("micro-service", "a")]));
        assert!(!is_message(&[("x-micro-topic", "a")]));
        assert!(!is_message(&[("micro-endpoint", "")]));
    }

    #[test]
    fn headers_that_were_sent_on_do_not_make_a_message_of_other_calls() {
        let endpoint = ("micro-endpoint", "A.B");
        assert!(!is_message(&[endpoint, ("content-type", "application/grpc+proto")]));
        assert!(!is_message(&[endpoint, ("content-type", "application/grpc-web+proto")]));
        assert!(!is_message(&[endpoint, ("content-type", "application/connect+json")]));
        assert!(!is_message(&[endpoint, ("connect-protocol-version", "1")]));
        assert!(!is_message(&[endpoint, ("content-type", "Application/gRPC")]));
    }
}

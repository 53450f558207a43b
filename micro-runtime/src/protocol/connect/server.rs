use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, EXPECT, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body::Body;

use super::end_stream::EndStream;
use super::error::WireError;
use super::media_type::{accepted, named, of_answer};
use super::{COMPRESSED, END_STREAM, TIMEOUT, compressed, content_type, head};
use crate::codec::Codec;
use crate::context::Incoming;
use crate::endpoint::{Arrival, Inbound, MethodDescriptor, Outbound, run};
use crate::error::{Error, Result};
use crate::protocol::body::{Enveloped, ReadLimits, WireBody, read_all};
use crate::protocol::envelope::Envelopes;
use crate::protocol::linger::Lingering;
use crate::protocol::{Site, headers};

const ACCEPT_POST: HeaderName = HeaderName::from_static("accept-post");

/// Serves one request.
pub(crate) async fn serve<B>(site: &Site, request: Request<B>, peer: Arc<str>) -> Response<WireBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let mut body = Lingering::new(body, site.max_message_size);
    if head.headers.contains_key(EXPECT) {
        // This client sends nothing before it has an answer, or was told to go on.
        body = body.at_once();
    }
    let endpoint = match site.routes.find(head.uri.path()) {
        Ok(endpoint) => endpoint,
        Err(error) => return not_found(&head.method, &head.headers, &error),
    };
    let method = endpoint.method;
    if head.method != Method::POST {
        return wrong_method(&head.method, method);
    }
    let given = head.headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
    let Some(codec) = named(site, method, given) else { return unsupported(site, method, given) };
    let timeout = match timeout(&head.headers) {
        Ok(timeout) => timeout,
        Err(error) => return failed(&head.headers, &error),
    };

    let incoming = Arc::new(Incoming::new(headers::to_metadata(&head.headers, ""), peer));
    let interceptors = site.interceptors.clone();
    let answer_codec = if method.is_unary() { accepted(site, method, &head.headers) } else { None };
    let answer_codec = answer_codec.unwrap_or_else(|| codec.clone());
    let arrival = Arrival {
        incoming: incoming.clone(),
        codec: codec.clone(),
        answer_codec: answer_codec.clone(),
        timeout,
        interceptors,
    };

    let limits = ReadLimits { max_message_size: site.max_message_size, idle: Some(site.body_timeout) };
    if method.is_unary() {
        let answer = run(endpoint, arrival, read_unary(body, &head.headers, limits)).await;
        unary(answer, &answer_codec, &incoming)
    } else {
        let answer = run(endpoint, arrival, read_stream(body.at_once(), method, limits)).await;
        streaming(answer, &codec, incoming).await
    }
}

async fn read_unary<B>(body: B, headers: &HeaderMap, limits: ReadLimits) -> Result<Inbound>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    if headers.get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(compressed());
    }
    read_all(body, limits).await.map(Inbound::One)
}

async fn read_stream<B>(body: B, method: &MethodDescriptor, limits: ReadLimits) -> Result<Inbound>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let envelopes = Envelopes::new(body, limits);
    if method.request.stream {
        let messages = stream::unfold(Some(envelopes), async |envelopes| {
            let mut envelopes = envelopes?;
            match message(&mut envelopes).await {
                Ok(None) => None,
                Ok(Some(message)) => Some((Ok(message), Some(envelopes))),
                Err(error) => Some((Err(error), None)),
            }
        });
        return Ok(Inbound::Many(Box::pin(messages)));
    }
    let mut envelopes = envelopes.due();
    let missing = || Error::invalid_argument("there is no message, and the method takes one");
    let first = message(&mut envelopes).await?.ok_or_else(missing)?;
    match message(&mut envelopes).await? {
        None => Ok(Inbound::One(first)),
        Some(_) => Err(Error::invalid_argument("there is more than one message, and the method takes one")),
    }
}

async fn message<B>(envelopes: &mut Envelopes<B>) -> Result<Option<Bytes>>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    match envelopes.next().await? {
        None => Ok(None),
        Some(envelope) if envelope.flags & COMPRESSED != 0 => Err(compressed()),
        // Clients end by ending the body; some put an empty last envelope in front of that.
        Some(envelope) if envelope.flags & END_STREAM != 0 => Ok(None),
        Some(envelope) => Ok(Some(envelope.message)),
    }
}

/// The time that the caller gives: milliseconds, at most ten digits.
fn timeout(headers: &HeaderMap) -> Result<Option<Duration>> {
    let Some(value) = headers.get(TIMEOUT) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let valid = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(millis) if valid => Ok(Some(Duration::from_millis(millis))),
        _ => Err(Error::invalid_argument(format!(
            "the header `{TIMEOUT}: {text}` is not a number of milliseconds of at most ten digits"
        ))),
    }
}

#[cold]
fn unsupported(site: &Site, method: &MethodDescriptor, given: &str) -> Response<WireBody> {
    let stream = !method.is_unary();
    let known: Vec<_> = site.codecs.iter().filter(|codec| method.request.reads(codec)).collect();
    let known: Vec<_> = known.into_iter().map(|codec| content_type(codec, stream)).collect();
    let (path, known) = (method.path, known.join(", "));
    let what = match given {
        "" => "there is no content type".to_owned(),
        given => format!("`{path}` does not take content type `{given}`"),
    };
    let hint = if stream {
        format!("`{path}` streams, each message in an envelope; send one of: {known}")
    } else {
        format!("send one of: {known} (with curl: -H 'content-type: application/json')")
    };
    let error = Error::invalid_argument(format!("{what}; {hint}"));
    let mut response = json(StatusCode::UNSUPPORTED_MEDIA_TYPE, &error);
    if let Ok(known) = HeaderValue::from_str(&known) {
        response.headers_mut().insert(ACCEPT_POST, known);
    }
    response
}

#[cold]
fn not_found(verb: &Method, headers: &HeaderMap, error: &Error) -> Response<WireBody> {
    // A call gets the code of a call; a browser or a crawler the status of a page that is not there.
    if verb == Method::POST { failed(headers, error) } else { page(verb, StatusCode::NOT_FOUND, error) }
}

#[cold]
fn wrong_method(given: &Method, method: &MethodDescriptor) -> Response<WireBody> {
    let error = Error::unimplemented(format!("`{}` is called with POST, not with {given}", method.path));
    let mut response = page(given, StatusCode::METHOD_NOT_ALLOWED, &error);
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// An error for what is no call.
fn page(verb: &Method, status: StatusCode, error: &Error) -> Response<WireBody> {
    let response = json(status, error);
    // There is no body after HEAD, and an HTTP/2 client takes one for a broken stream.
    if verb == Method::HEAD { response.map(|_| WireBody::full("")) } else { response }
}

/// An error before it was known how the method answers: in the form that the caller reads.
#[cold]
pub(crate) fn failed(headers: &HeaderMap, error: &Error) -> Response<WireBody> {
    let content_type =
        headers.get(CONTENT_TYPE).filter(|value| value.as_bytes().starts_with(b"application/connect+"));
    match content_type {
        Some(content_type) => ended(content_type.clone(), error),
        None => json(error.code().http_status(), error),
    }
}

/// A stream of nothing but an error.
#[cold]
fn ended(content_type: HeaderValue, error: &Error) -> Response<WireBody> {
    let mut body = BytesMut::new();
    // Writing a short JSON object to memory does not fail; without it the stream just ends.
    let _ = EndStream::failed(error).write(&mut body);
    let mut response = Response::new(WireBody::full(body.freeze()));
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn json(status: StatusCode, error: &Error) -> Response<WireBody> {
    let body = serde_json::to_vec(&WireError::from(error)).unwrap_or_default();
    let mut response = Response::new(WireBody::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers::extend(response.headers_mut(), error.metadata(), "");
    response
}

fn unary(answer: Result<Outbound>, codec: &Codec, incoming: &Incoming) -> Response<WireBody> {
    let mut response = match answer {
        Ok(Outbound::One(message)) => {
            let mut response = Response::new(WireBody::full(message));
            response.headers_mut().insert(CONTENT_TYPE, of_answer(codec, false));
            response
        }
        Ok(Outbound::Many(_)) => {
            let error = Error::internal("a stream was answered where one message is due");
            json(error.code().http_status(), &error)
        }
        Err(error) => json(error.code().http_status(), &error),
    };
    headers::extend(response.headers_mut(), &incoming.reply.take_headers(), "");
    headers::extend(response.headers_mut(), &incoming.reply.take_trailers(), "trailer-");
    match head::check(response.headers()) {
        Ok(()) => response,
        Err(error) => json(error.code().http_status(), &error),
    }
}

async fn streaming(answer: Result<Outbound>, codec: &Codec, incoming: Arc<Incoming>) -> Response<WireBody> {
    let messages = match answer {
        Ok(answer) => answer.into_messages(),
        Err(error) => Outbound::failed(error),
    };
    let reply = incoming.clone();
    let mut body = Enveloped::new(
        messages,
        Box::new(move |ended, buffer| {
            EndStream::new(ended, &reply.reply.take_trailers()).write(buffer)?;
            Ok(None)
        }),
    );
    // The handler runs until it first waits, so that it can set headers. They are not held back
    // longer: there are clients that send nothing before they have them.
    poll_fn(|task| {
        // An error shows again when the body is sent.
        let _ = body.poll_fill(task);
        Poll::Ready(())
    })
    .await;
    let mut response = Response::new(WireBody::Stream(Box::pin(body)));
    response.headers_mut().insert(CONTENT_TYPE, of_answer(codec, true));
    headers::extend(response.headers_mut(), &incoming.reply.take_headers(), "");
    match head::check(response.headers()) {
        Ok(()) => response,
        Err(error) => ended(of_answer(codec, true), &error),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn of(value: &[u8]) -> Result<Option<Duration>> {
        let mut headers = HeaderMap::new();
        headers.insert(TIMEOUT, HeaderValue::from_bytes(value).unwrap());
        timeout(&headers)
    }

    proptest! {
        #[test]
        fn a_timeout_of_up_to_ten_digits_is_milliseconds(millis in 0..=9_999_999_999_u64) {
            prop_assert_eq!(of(millis.to_string().as_bytes()).unwrap(), Some(Duration::from_millis(millis)));
        }

        #[test]
        fn any_other_timeout_is_refused(value in vec(prop_oneof![Just(b'-'), 32..=126_u8, 128..=255_u8], 0..20)) {
            let digits = (1..=10).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
            prop_assert_eq!(of(&value).is_ok(), digits);
        }
    }
}

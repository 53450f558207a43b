use std::pin::Pin;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::stream;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, Request, Response, Version};
use http_body::Body;

use super::end_stream::EndStream;
use super::error::WireError;
use super::{COMPRESSED, END_STREAM, PROTOCOL_VERSION, TIMEOUT, compressed, content_type};
use crate::endpoint::{Inbound, MethodDescriptor, Outbound};
use crate::error::{Code, Error, Result};
use crate::metadata::Metadata;
use crate::protocol::body::{Enveloped, ReadLimits, WireBody, read_all};
use crate::protocol::envelope::Envelopes;
use crate::protocol::{Answer, Outgoing, headers};

/// Where the error of a request stream waits for the call that it broke.
#[derive(Clone, Default)]
struct Broken(Arc<Mutex<Option<Error>>>);

impl Broken {
    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    /// The error of the request stream, if that is what failed, and `error` otherwise.
    fn or(&self, error: Error) -> Error {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or(error)
    }
}

/// Makes one call: `send` sends the request on a connection and waits for the response's head.
pub(crate) async fn call<B, Fut>(
    outgoing: Outgoing,
    authority: &str,
    send: impl FnOnce(Request<WireBody>) -> Fut,
) -> Result<Answer>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>>> + Send + 'static,
{
    let method = outgoing.method;
    let limits = ReadLimits { max_message_size: outgoing.max_message_size, idle: None };
    let broken = Broken::default();
    let request = request(outgoing, authority, &broken)?;
    let response = send(request);
    if method.is_unary() {
        return unary(method, response.await?, limits).await;
    }
    if !method.response.stream {
        let response = response.await.map_err(|error| broken.or(error))?;
        return one_of_stream(method, response, limits).await.map_err(|error| broken.or(error));
    }
    // The head of the response is awaited as a part of the stream: a server may send it only with
    // its first message, which it may send only after one of ours.
    let trailers = Arc::new(OnceLock::new());
    let messages = messages(method, response, limits, trailers.clone(), broken);
    Ok(Answer { headers: Metadata::new(), trailers, body: Inbound::Many(messages) })
}

fn request(outgoing: Outgoing, authority: &str, broken: &Broken) -> Result<Request<WireBody>> {
    let Outgoing { method, codec, metadata, timeout, body, .. } = outgoing;
    let body = if method.is_unary() {
        match body {
            Outbound::One(message) => WireBody::full(message),
            Outbound::Many(_) => return Err(Error::internal("a stream is sent where one message is due")),
        }
    } else {
        let broken = broken.clone();
        let end = move |ended: Result<()>, _: &mut _| match ended {
            Ok(()) => Ok(None),
            Err(error) => {
                broken.set(error);
                Err(Error::canceled("the request stream failed"))
            }
        };
        WireBody::Stream(Box::pin(Enveloped::new(body.into_messages(), Box::new(end))))
    };
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = http::Uri::builder()
        .scheme("http")
        .authority(authority)
        .path_and_query(method.path)
        .build()
        .map_err(|error| {
            Error::invalid_argument(format!("`{authority}` is not an address")).with_source(error)
        })?;
    let head = request.headers_mut();
    let media_type = HeaderValue::try_from(content_type(&codec, !method.is_unary()))
        .map_err(|_| Error::invalid_argument(format!("`{}` is not a content subtype", codec.name())))?;
    head.insert(CONTENT_TYPE, media_type);
    head.insert(PROTOCOL_VERSION, HeaderValue::from_static("1"));
    if let Some(timeout) = timeout {
        // At most ten digits, which is over a hundred days. Rounded up, so that this side's own
        // clock, which is exact, is the one that ends the call.
        let millis = timeout.as_micros().div_ceil(1000).clamp(1, 9_999_999_999);
        head.insert(TIMEOUT, HeaderValue::from(u64::try_from(millis).unwrap_or(u64::MAX)));
    }
    headers::extend(head, &metadata, "");
    Ok(request)
}

async fn unary<B>(method: &MethodDescriptor, response: Response<B>, limits: ReadLimits) -> Result<Answer>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = response.into_parts();
    let message = read_all(body, limits).await?;
    let trailers = headers::to_metadata(&head.headers, "trailer-");
    let mut metadata = headers::to_metadata(&head.headers, "");
    for (name, _) in trailers.iter() {
        metadata.remove(&format!("trailer-{name}"));
    }
    if !head.status.is_success() {
        metadata.extend(trailers);
        return Err(http_error(method, head.status, &message, metadata));
    }
    Ok(Answer {
        headers: metadata,
        trailers: Arc::new(OnceLock::from(trailers)),
        body: Inbound::One(message),
    })
}

/// The one message of a method that takes a stream.
async fn one_of_stream<B>(
    method: &'static MethodDescriptor,
    response: Response<B>,
    limits: ReadLimits,
) -> Result<Answer>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (metadata, mut reader) = Reader::open(method, response, limits).await?;
    let message = reader.next().await?;
    if message.is_some() && reader.next().await?.is_some() {
        return Err(Error::internal("the server answered more than one message where one is due"));
    }
    let message = message.ok_or_else(|| Error::internal("the server answered no message"))?;
    let trailers = Arc::new(OnceLock::from(reader.trailers));
    Ok(Answer { headers: metadata, trailers, body: Inbound::One(message) })
}

fn messages<B>(
    method: &'static MethodDescriptor,
    response: impl Future<Output = Result<Response<B>>> + Send + 'static,
    limits: ReadLimits,
    trailers: Arc<OnceLock<Metadata>>,
    broken: Broken,
) -> Pin<Box<dyn futures_util::Stream<Item = Result<Bytes>> + Send>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    enum State<F, R> {
        Waiting(Pin<Box<F>>),
        Reading(R),
        Done,
    }
    let start = (State::Waiting(Box::pin(response)), trailers, broken);
    Box::pin(stream::unfold(start, move |(state, trailers, broken)| async move {
        let step = async {
            let mut reader = match state {
                State::Done => return Ok(None),
                State::Waiting(response) => Reader::open(method, response.await?, limits).await?.1,
                State::Reading(reader) => reader,
            };
            match reader.next().await? {
                Some(message) => Ok(Some((message, reader))),
                None => {
                    // Set once: this is the end.
                    let _ = trailers.set(reader.trailers);
                    Ok(None)
                }
            }
        };
        match step.await {
            Ok(None) => None,
            Ok(Some((message, reader))) => Some((Ok(message), (State::Reading(reader), trailers, broken))),
            Err(error) => Some((Err(broken.or(error)), (State::Done, trailers, broken))),
        }
    }))
}

/// Reads the envelopes of a response.
struct Reader<B> {
    method: &'static MethodDescriptor,
    envelopes: Envelopes<B>,
    trailers: Metadata,
    ended: bool,
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    async fn open(
        method: &'static MethodDescriptor,
        response: Response<B>,
        limits: ReadLimits,
    ) -> Result<(Metadata, Self)> {
        let (head, body) = response.into_parts();
        let metadata = headers::to_metadata(&head.headers, "");
        if !head.status.is_success() {
            let text = read_all(body, limits).await?;
            return Err(http_error(method, head.status, &text, metadata));
        }
        let envelopes = Envelopes::new(body, limits);
        Ok((metadata, Self { method, envelopes, trailers: Metadata::new(), ended: false }))
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let Some(envelope) = self.envelopes.next().await? else {
            return Err(Error::unavailable("the stream broke off: the server did not say that it ends"));
        };
        if envelope.flags & COMPRESSED != 0 {
            return Err(compressed());
        }
        if envelope.flags & END_STREAM == 0 {
            return Ok(Some(envelope.message));
        }
        self.ended = true;
        let (error, trailers) = EndStream::read(&envelope.message)?.into_parts(self.method);
        match error {
            Some(mut error) => {
                error.metadata_mut().extend(trailers);
                Err(error)
            }
            None => {
                self.trailers = trailers;
                Ok(None)
            }
        }
    }
}

/// The error of a response that is not a success: Connect's JSON, or, from something in between
/// that knows nothing of Connect, what its status says.
#[cold]
fn http_error(method: &MethodDescriptor, status: http::StatusCode, body: &[u8], metadata: Metadata) -> Error {
    let fallback = Code::from_http_status(status);
    let mut error = match serde_json::from_slice::<WireError>(body) {
        Ok(error) => error.into_error(fallback, method),
        Err(_) => Error::new(fallback, format!("the server answered with HTTP status {status}"))
            .with_origin(method.service, method.name),
    };
    error.metadata_mut().extend(metadata);
    error
}

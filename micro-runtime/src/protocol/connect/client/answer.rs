use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use http_body::Body;

use crate::codec::Codec;
use crate::endpoint::{Inbound, MethodDescriptor};
use crate::error::{Code, Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::answers::Answers;
use crate::protocol::connect::end_stream::EndStream;
use crate::protocol::connect::error::WireError;
use crate::protocol::connect::{END_STREAM, STREAM_CONTENT_ENCODING, content_type};
use crate::protocol::envelope::Envelopes;
use crate::protocol::media_type::essence;
use crate::protocol::read_limits::{ReadLimits, read_all};
use crate::protocol::{Answer, compressing, headers, http_status};

/// The answer of a call with one message each way.
pub(super) async fn unary<B>(
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
    let trailers = headers::to_metadata(&head.headers, "trailer-");
    let mut metadata = headers::to_metadata(&head.headers, "");
    for (name, _) in trailers.iter() {
        metadata.remove(&format!("trailer-{name}"));
    }
    if head.status != StatusCode::OK {
        metadata.extend(trailers);
        // In a box, so that the future of a call that succeeds is no larger for it.
        let error = Box::pin(http_error(method, head.status, &head.headers, body, limits, metadata));
        return Err(error.await);
    }
    check_type(&head.headers, codec, false)?;
    let compression = compressing::named_in_answer(&head.headers, &CONTENT_ENCODING)?;
    let of_wire = if compression.is_some() { limits.of_encoded() } else { limits };
    let mut message = read_all(body, of_wire).await?;
    if let Some(compression) = compression {
        message = compression.decompress(&message, limits.max_message_size)?;
    }
    let around = Arc::new(Around { headers: metadata.into(), trailers: trailers.into() });
    Ok(Answer { around: Some(around), body: Inbound::One(message) })
}

/// Reads the envelopes of a response.
pub(super) struct Reader<B> {
    method: &'static MethodDescriptor,
    envelopes: Envelopes<B>,
    ended: bool,
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) async fn open(
        method: &'static MethodDescriptor,
        codec: &Codec,
        response: Response<B>,
        limits: ReadLimits,
        around: &Around,
    ) -> Result<Self> {
        let (head, body) = response.into_parts();
        let metadata = headers::to_metadata(&head.headers, "");
        if head.status != StatusCode::OK {
            return Err(http_error(method, head.status, &head.headers, body, limits, metadata).await);
        }
        check_type(&head.headers, codec, true)?;
        let compression = compressing::named_in_answer(&head.headers, &STREAM_CONTENT_ENCODING)?;
        // Set once: a response has one head.
        let _ = around.headers.set(metadata);
        Ok(Self { method, envelopes: Envelopes::of_response(body, limits, compression), ended: false })
    }
}

impl<B> Answers for Reader<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    async fn next(&mut self, around: &Around) -> Result<Option<Bytes>> {
        if self.ended {
            return Ok(None);
        }
        let Some(envelope) = self.envelopes.next().await? else {
            return Err(Error::internal("the stream broke off: the server did not say that it ends"));
        };
        if envelope.flags & END_STREAM == 0 {
            return Ok(Some(envelope.message));
        }
        self.ended = true;
        self.envelopes.finish().await;
        let (error, trailers) = EndStream::read(&envelope.message)?.into_parts(self.method);
        match error {
            Some(mut error) => {
                error.metadata_mut().extend(trailers);
                Err(error)
            }
            None => {
                // Set once: this is the end.
                let _ = around.trailers.set(trailers);
                Ok(None)
            }
        }
    }

    fn at_hand(&mut self) -> Option<Bytes> {
        if self.ended { None } else { self.envelopes.at_hand() }
    }
}

/// What is not in the encoding that was asked for is not read as if it were.
fn check_type(headers: &HeaderMap, codec: &Codec, stream: bool) -> Result<()> {
    let given = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
    let name = essence(given);
    let due = content_type(codec, stream);
    if name.eq_ignore_ascii_case(&due) {
        return Ok(());
    }
    // Another encoding is a server's mistake; anything else may come from something in between.
    let prefix = if stream { "application/connect+" } else { "application/" };
    let code = if name.starts_with(prefix) { Code::Internal } else { Code::Unknown };
    Err(Error::new(code, format!("the answer has the content type `{given}` and not `{due}`")))
}

/// The error of a response that is not a success: Connect's JSON, or, from something in between
/// that knows nothing of Connect, what its status says.
#[cold]
async fn http_error<B>(
    method: &MethodDescriptor,
    status: StatusCode,
    headers: &HeaderMap,
    body: B,
    limits: ReadLimits,
    metadata: Metadata,
) -> Error
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let code = Code::from_http_status(status);
    // What cannot be read says no more than the status does.
    let body = match compressing::named(headers, &CONTENT_ENCODING) {
        Ok(None) => read_all(body, limits).await,
        Ok(Some(compression)) => read_all(body, limits)
            .await
            .and_then(|body| compression.decompress(&body, limits.max_message_size)),
        Err(error) => Err(error),
    };
    let mut error = match body.ok().and_then(|body| WireError::read(&body)) {
        Some(error) if error.is_connect() => error.into_error(code, method),
        // Its words are worth having, whoever said them.
        Some(error) if !error.message().is_empty() => Error::new(code, error.message()),
        _ => http_status::error(status, "the server answered no error of its own"),
    };
    error.metadata_mut().extend(metadata);
    error
}

use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use http::{Response, StatusCode};
use http_body::Body;

use super::request::ReadingSide;
use crate::endpoint::{Inbound, MethodDescriptor};
use crate::error::{Code, Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::body::{ReadLimits, read_all};
use crate::protocol::connect::end_stream::EndStream;
use crate::protocol::connect::error::WireError;
use crate::protocol::connect::{COMPRESSED, END_STREAM, compressed};
use crate::protocol::envelope::Envelopes;
use crate::protocol::{Answer, headers};

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes>> + Send>>;

/// The answer of a call with one message each way.
pub(super) async fn unary<B>(
    method: &MethodDescriptor,
    response: Response<B>,
    limits: ReadLimits,
) -> Result<Answer>
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
    let around = Arc::new(Around { headers: metadata.into(), trailers: trailers.into() });
    Ok(Answer { around, body: Inbound::One(message) })
}

/// The one message of a method that takes a stream.
pub(super) async fn one_of_stream<B>(
    method: &'static MethodDescriptor,
    response: Response<B>,
    limits: ReadLimits,
    around: &Around,
) -> Result<Bytes>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let mut reader = Reader::open(method, response, limits, around).await?;
    let message = reader.next(around).await?;
    if message.is_some() && reader.next(around).await?.is_some() {
        return Err(Error::internal("the server answered more than one message where one is due"));
    }
    message.ok_or_else(|| Error::internal("the server answered no message"))
}

/// A stream of answers whose head is not there yet.
pub(super) fn stream<B>(
    method: &'static MethodDescriptor,
    head: impl Future<Output = Result<Response<B>>> + Send + 'static,
    limits: ReadLimits,
    around: Arc<Around>,
    side: ReadingSide,
) -> Messages
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let opening = async move {
        let reader = match head.await {
            Ok(head) => Reader::open(method, head, limits, &around).await,
            Err(error) => Err(error),
        };
        match reader {
            Ok(reader) => opened(reader, around, side),
            Err(error) => {
                let error = side.explain(error);
                Box::pin(stream::once(async { Err(error) })) as Messages
            }
        }
    };
    Box::pin(futures_util::FutureExt::flatten_stream(opening))
}

/// A stream of answers whose head is there.
pub(super) fn opened<B>(reader: Reader<B>, around: Arc<Around>, side: ReadingSide) -> Messages
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let state = Some((reader, around, side));
    Box::pin(stream::unfold(state, async |state| {
        let (mut reader, around, side) = state?;
        match reader.next(&around).await {
            Ok(None) => None,
            Ok(Some(message)) => Some((Ok(message), Some((reader, around, side)))),
            Err(error) => Some((Err(side.explain(error)), None)),
        }
    }))
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
        response: Response<B>,
        limits: ReadLimits,
        around: &Around,
    ) -> Result<Self> {
        let (head, body) = response.into_parts();
        let metadata = headers::to_metadata(&head.headers, "");
        if !head.status.is_success() {
            let text = read_all(body, limits).await?;
            return Err(http_error(method, head.status, &text, metadata));
        }
        // Set once: a response has one head.
        let _ = around.headers.set(metadata);
        Ok(Self { method, envelopes: Envelopes::new(body, limits), ended: false })
    }

    async fn next(&mut self, around: &Around) -> Result<Option<Bytes>> {
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
}

/// The error of a response that is not a success: Connect's JSON, or, from something in between
/// that knows nothing of Connect, what its status says.
#[cold]
fn http_error(method: &MethodDescriptor, status: StatusCode, body: &[u8], metadata: Metadata) -> Error {
    let (code, text) = match status {
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
            (Code::ResourceExhausted, "the metadata of the call is larger than the server takes")
        }
        status => (Code::from_http_status(status), "the server answered no error of its own"),
    };
    let mut error = match WireError::read(body) {
        Some(error) => error.into_error(code, method),
        None => Error::new(code, format!("{text} (HTTP status {status})")),
    };
    error.metadata_mut().extend(metadata);
    error
}

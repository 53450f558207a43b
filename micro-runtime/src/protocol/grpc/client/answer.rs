use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use http_body::Body;

use crate::codec::Codec;
use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::answers::Answers;
use crate::protocol::envelope::{Envelope, Envelopes, unknown_flags};
use crate::protocol::grpc::{Dialect, ENCODING, status};
use crate::protocol::read_limits::ReadLimits;
use crate::protocol::{compressing, grpc_web, headers, http_status};

/// Reads the envelopes of a response.
pub(super) struct Reader<B> {
    method: &'static MethodDescriptor,
    dialect: Dialect,
    envelopes: Envelopes<B>,
    /// The head, where it has a status: if nothing else comes, it was the trailers.
    head: Option<Box<HeaderMap>>,
    /// The error of messages in another codec: without messages it does not matter which one.
    unreadable: Option<Error>,
    ended: bool,
}

impl<B> Reader<B>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    pub(super) fn open(
        method: &'static MethodDescriptor,
        dialect: Dialect,
        codec: &Codec,
        response: Response<B>,
        limits: ReadLimits,
        around: &Around,
    ) -> Result<Self> {
        let (head, body) = response.into_parts();
        if head.status != StatusCode::OK {
            return Err(http_error(method, head.status, &head.headers));
        }
        let has_status = head.headers.contains_key(status::STATUS);
        let alone = has_status && body.is_end_stream();
        let (mut compression, mut unreadable) = (None, None);
        // A head that was the trailers says how the call ended, whatever else it says, and had no headers.
        if !alone {
            unreadable = check_type(dialect, &head.headers, codec)?;
            compression = compressing::named_in_answer(&head.headers, &ENCODING)?;
            // Set once: a response has one head.
            let _ = around.headers.set(headers::to_metadata(&head.headers, ""));
        }
        let envelopes = Envelopes::of_response(body, limits, compression);
        let head = has_status.then(|| Box::new(head.headers));
        Ok(Self { method, dialect, envelopes, head, unreadable, ended: false })
    }

    /// The trailers behind the last message; `None` where there are none.
    async fn trailers(&mut self, last: Option<Bytes>) -> Result<Option<HeaderMap>> {
        match last {
            // Those of gRPC-Web, behind which there is nothing.
            Some(last) => match self.envelopes.next().await? {
                None => grpc_web::read_trailers(&last).map(Some),
                Some(_) => Err(Error::internal("the server went on behind the trailers")),
            },
            None if self.dialect == Dialect::Grpc => Ok(self.envelopes.take_trailers()),
            None => Ok(None),
        }
    }

    /// Whatever ended the call.
    fn end(&mut self, trailers: Option<HeaderMap>, around: &Around) -> Result<()> {
        self.ended = true;
        let trailers = trailers.or_else(|| self.head.take().map(|head| *head)).ok_or_else(|| {
            Error::internal("the stream broke off: the server did not say how the call ended")
        })?;
        let metadata = headers::to_metadata(&trailers, "");
        match status::read(&trailers) {
            Some(Ok(())) => {
                // Set once: this is the end.
                let _ = around.trailers.set(metadata);
                Ok(())
            }
            Some(Err(error)) => Err(answered(self.method, error, metadata)),
            None => Err(Error::internal("the trailers do not say how the call ended: no `grpc-status`")),
        }
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
        let last = match self.envelopes.next().await? {
            Some(Envelope { flags: 0, message }) => {
                if let Some(error) = self.unreadable.take() {
                    return Err(error);
                }
                self.head = None;
                return Ok(Some(message));
            }
            Some(Envelope { flags: grpc_web::TRAILERS, message }) if self.dialect != Dialect::Grpc => {
                Some(message)
            }
            Some(Envelope { flags, .. }) => return Err(unknown_flags(flags)),
            None => None,
        };
        let trailers = self.trailers(last).await?;
        self.end(trailers, around).map(|()| None)
    }

    fn at_hand(&mut self) -> Option<Bytes> {
        // What is not the usual case is looked at by `next`.
        if self.ended || self.unreadable.is_some() { None } else { self.envelopes.at_hand() }
    }
}

/// The error that a server answered with.
#[cold]
fn answered(method: &MethodDescriptor, error: Error, metadata: Metadata) -> Error {
    let mut error = error.with_origin(method.service, method.name);
    error.metadata_mut().extend(metadata);
    error
}

/// What is not in the encoding that was asked for is not read as if it were: the error of its
/// messages, or, where it is not gRPC at all, of the answer.
fn check_type(dialect: Dialect, headers: &HeaderMap, codec: &Codec) -> Result<Option<Error>> {
    let given = headers.get(CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
    if dialect.means(given, codec) {
        return Ok(None);
    }
    let due = dialect.content_type(codec);
    let text = format!("the answer has the content type `{given}` and not `{due}`");
    // Another encoding is a server's mistake; anything else may come from something in between.
    if dialect.subtype(given).is_some() { Ok(Some(Error::internal(text))) } else { Err(Error::unknown(text)) }
}

/// The error of a response that is no success of HTTP: its status of gRPC, or, from something in
/// between that knows nothing of gRPC, what HTTP's says.
#[cold]
fn http_error(method: &MethodDescriptor, status: StatusCode, headers: &HeaderMap) -> Error {
    let metadata = headers::to_metadata(headers, "");
    if let Some(Err(error)) = status::read(headers) {
        return answered(method, error, metadata);
    }
    let mut error = http_status::error(status, "the server did not answer in gRPC");
    error.metadata_mut().extend(metadata);
    error
}

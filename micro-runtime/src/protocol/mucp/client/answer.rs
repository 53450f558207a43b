use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Response, StatusCode};
use http_body::Body;

use crate::codec::Codec;
use crate::endpoint::{Inbound, MethodDescriptor};
use crate::error::{Code, Error, Result};
use crate::metadata::{Around, Metadata};
use crate::protocol::Answer;
use crate::protocol::mucp::frame::{ENDPOINT, ERROR, METHOD, SERVICE};
use crate::protocol::mucp::{error, frame};
use crate::protocol::read_limits::{ReadLimits, read_all};

/// How much of a text that is not an answer is shown, in bytes.
const SHOWN: usize = 512;

/// The answer of a call.
pub(super) async fn read<B>(
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
    Ok(Answer { around: Some(Arc::new(around)), body: Inbound::One(message) })
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

//! The client half: one call on one connection.

mod answer;
mod request;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::Dialect;
use crate::endpoint::Inbound;
use crate::error::Result;
use crate::protocol::body::WireBody;
use crate::protocol::read_limits::ReadLimits;
use crate::protocol::{Answer, Outgoing, Target, answers};
use answer::Reader;

/// Makes one call. `send` puts the request on its way at once, and its future is the head of the
/// response.
pub(crate) async fn call<B, Fut>(
    outgoing: Outgoing,
    target: Target<'_>,
    dialect: Dialect,
    send: impl FnOnce(Request<WireBody>) -> Fut,
) -> Result<Answer>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>>> + Send + 'static,
{
    let method = outgoing.method;
    let codec = outgoing.codec.clone();
    let limits = ReadLimits { max_message_size: outgoing.max_message_size, idle: None };
    let (request, side) = request::of(outgoing, target, dialect)?;
    let head = send(request);
    if method.is_unary() {
        let around = Arc::default();
        let mut reader = Reader::open(method, dialect, &codec, head.await?, limits, &around)?;
        let message = answers::one(&mut reader, &around).await?;
        return Ok(Answer { around: Some(around), body: Inbound::One(message) });
    }
    let streamed = answers::answer(method, side, |around| async move {
        Reader::open(method, dialect, &codec, head.await?, limits, &around)
    });
    // In a box, so that the future of a call with one message each way is no larger for it.
    Box::pin(streamed).await
}

//! The client half: one call on one connection.

mod answer;
mod get;
mod request;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::error::Result;
use crate::protocol::body::WireBody;
use crate::protocol::read_limits::ReadLimits;
use crate::protocol::{Answer, Outgoing, Target, answers};

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
    let codec = outgoing.codec.clone();
    let limits = ReadLimits { max_message_size: outgoing.max_message_size, idle: None };
    if method.is_unary() {
        let request = request::unary(outgoing, target)?;
        let head = send(request);
        return answer::unary(method, &codec, head.await?, limits).await;
    }
    let (request, side) = request::stream(outgoing, target)?;
    let head = send(request);
    let streamed = answers::answer(method, Some(side), |around| async move {
        answer::Reader::open(method, &codec, head.await?, limits, &around).await
    });
    // In a box, so that the future of a call with one message each way is no larger for it.
    Box::pin(streamed).await
}

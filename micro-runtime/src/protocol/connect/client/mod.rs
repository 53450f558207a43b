//! The client half: one call on one connection.

mod answer;
mod request;

use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use crate::endpoint::Inbound;
use crate::error::Result;
use crate::metadata::Around;
use crate::protocol::body::{ReadLimits, WireBody};
use crate::protocol::{Answer, Outgoing};

/// Makes one call. `send` puts the request on its way at once, and its future is the head of the
/// response.
///
/// Returns when the head is there. Only where there is a stream in both directions it does not
/// wait: a server may send the head only with its first message, and that only after one of ours,
/// which may come only after this has returned.
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
    let (request, reader) = request::build(outgoing, authority)?;
    let head = send(request);
    if method.is_unary() {
        return answer::unary(method, head.await?, limits).await;
    }
    let around = Arc::new(Around::default());
    if !method.response.stream {
        let message = async { answer::one_of_stream(method, head.await?, limits, &around).await };
        let message = message.await.map_err(|error| reader.explain(error))?;
        return Ok(Answer { around, body: Inbound::One(message) });
    }
    let messages = if method.request.stream {
        answer::stream(method, head, limits, around.clone(), reader)
    } else {
        let head = head.await?;
        // What the head alone says, a refusal for example, is known now and not at the first message.
        let head = answer::Reader::open(method, head, limits, &around).await?;
        answer::opened(head, around.clone(), reader)
    };
    Ok(Answer { around, body: Inbound::Many(messages) })
}

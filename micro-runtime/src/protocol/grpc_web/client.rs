//! The client half where bodies are base64; the other one is gRPC's.

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;

use super::base64::{Decoded, Encoded};
use crate::error::Result;
use crate::protocol::body::WireBody;
use crate::protocol::grpc::{self, Dialect};
use crate::protocol::{Answer, Outgoing, Target};

/// Makes one call, with all bodies in base64.
pub(crate) async fn call_in_text<B, Fut>(
    outgoing: Outgoing,
    target: Target<'_>,
    send: impl FnOnce(Request<WireBody>) -> Fut,
) -> Result<Answer>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
    Fut: Future<Output = Result<Response<B>>> + Send + 'static,
{
    let send = |request: Request<WireBody>| {
        let head = send(request.map(|body| WireBody::Stream(Box::pin(Encoded(body)))));
        async move { Ok(head.await?.map(Decoded::new)) }
    };
    grpc::client::call(outgoing, target, Dialect::WebText, send).await
}

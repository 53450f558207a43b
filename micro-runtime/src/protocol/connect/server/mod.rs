//! The server half: one request.

mod answer;
mod call;
mod refuse;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{HeaderMap, HeaderValue, VARY};
use http::{Method, Request, Response};
use http_body::Body;
use tokio::time::Instant;

use super::media_type::accepted;
use crate::context::{Incoming, Origin};
use crate::endpoint::{Arrival, run};
use crate::error::Error;
use crate::protocol::body::WireBody;
use crate::protocol::linger::Lingering;
use crate::protocol::read_limits::ReadLimits;
use crate::protocol::{Site, compressing, headers};
use call::Call;

/// Answers with an error what was not served.
pub(crate) fn refuse(headers: &HeaderMap, error: &Error) -> Response<WireBody> {
    refuse::failed(headers, error)
}

/// Serves one request.
pub(crate) fn serve<B>(
    site: &Site,
    request: Request<B>,
    peer: Arc<Origin>,
) -> impl Future<Output = Response<WireBody>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let body = Lingering::of(&head.headers, body, site.max_message_size);
    async move {
        let endpoint = match site.routes.find(head.uri.path()) {
            Ok(endpoint) => endpoint,
            Err(error) => return refuse::not_found(&head.method, &head.headers, &error),
        };
        let method = endpoint.method;
        let call = match Call::read(site, method, &head) {
            Ok(call) => call,
            Err(response) => return *response,
        };
        let answer_codec = if method.is_unary() { accepted(site, method, &head.headers) } else { None };
        let answer_codec = answer_codec.unwrap_or_else(|| call.codec.clone());
        let compress = compressing::of_answer(site, call.compression, &head.headers, call.accept_encoding());
        let incoming = Arc::new(Incoming::new(headers::to_metadata(&head.headers, ""), peer));
        let arrival = Arrival {
            incoming: incoming.clone(),
            codec: call.codec.clone(),
            answer_codec: answer_codec.clone(),
            timeout: call.timeout,
            interceptors: site.interceptors.clone(),
            begun: Instant::now(),
        };
        let limits = ReadLimits { max_message_size: site.max_message_size, idle: Some(site.body_timeout) };
        if method.is_unary() {
            let answer = run(endpoint, arrival, pin!(call.read_message(body, limits))).await;
            let mut response = answer::unary(answer, &answer_codec, compress, &incoming);
            if head.method == Method::GET {
                // A cache on the way must not give one client what another one reads.
                response.headers_mut().append(VARY, HeaderValue::from_static("accept, accept-encoding"));
            }
            response
        } else {
            let body = body.of_stream(head.version);
            // In a box, so that the future of a call with one message each way is no larger for it.
            let answer = Box::pin(async {
                run(endpoint, arrival, pin!(call.read_stream(body, method, limits))).await
            });
            let answer = answer.await;
            Box::pin(answer::stream(answer, &answer_codec, compress, incoming)).await
        }
    }
}

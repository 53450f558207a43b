//! The server half: one request.

mod answer;
mod call;
mod caller;
mod refuse;

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::Body;
use tokio::time::Instant;

use super::{ACCEPT_ENCODING, Dialect};
use crate::context::{Incoming, Origin};
use crate::endpoint::{Arrival, run};
use crate::error::Error;
use crate::protocol::body::WireBody;
use crate::protocol::envelope::Envelopes;
use crate::protocol::linger::Lingering;
use crate::protocol::read_limits::ReadLimits;
use crate::protocol::reading::{Expected, read};
use crate::protocol::{Site, compressing};
use call::Call;
use caller::Caller;

/// Answers with an error what was not served. Its trailers are those of HTTP, whatever the dialect.
pub(crate) fn refuse(dialect: Dialect, headers: &HeaderMap, error: Error) -> Response<WireBody> {
    refuse::failed(&Caller::unknown(dialect), headers, error)
}

/// Serves one request. The trailers of its answer are those of HTTP, whatever the dialect.
pub(crate) fn serve<B>(
    site: &Site,
    request: Request<B>,
    peer: Arc<Origin>,
    dialect: Dialect,
) -> impl Future<Output = Response<WireBody>>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let (head, body) = request.into_parts();
    let body = Lingering::of(&head.headers, body, site.max_message_size);
    async move {
        if let Some(response) = refuse::no_call(&head, dialect) {
            return response;
        }
        // A client of gRPC itself takes every request for a stream.
        let body = if dialect == Dialect::Grpc { body.of_stream(head.version) } else { body };
        let caller = Caller::new(dialect, &head);
        let path = head.uri.path();
        let found = match dialect {
            Dialect::Grpc => site.routes.find_by_last_part(path, caller.is_go_micro()),
            Dialect::Web | Dialect::WebText => site.routes.find(path),
        };
        let call = found
            .and_then(|endpoint| Ok((endpoint, Call::read(site, endpoint.method, &caller, &head.headers)?)));
        let (endpoint, call) = match call {
            Ok(found) => found,
            Err(error) => return refuse::failed(&caller, &head.headers, error),
        };
        let method = endpoint.method;
        let compress = compressing::of_answer(site, call.compression, &head.headers, ACCEPT_ENCODING);
        let incoming = Arc::new(Incoming::new(caller.metadata(&head.headers), peer));
        let arrival = Arrival {
            incoming: incoming.clone(),
            codec: call.codec.clone(),
            answer_codec: call.codec,
            timeout: call.timeout,
            interceptors: site.interceptors.clone(),
            begun: Instant::now(),
        };
        let limits = ReadLimits { max_message_size: site.max_message_size, idle: Some(site.body_timeout) };
        let body = if method.request.stream { body.of_stream(head.version) } else { body };
        let envelopes = Envelopes::of_request(body, limits, call.compression);
        // go-micro leaves the request open where it reads a stream of answers.
        let ends = !(caller.is_go_micro() && method.response.stream);
        let body = pin!(read(envelopes, method, Expected { last: 0, strict: true, ends }));
        let answer = run(endpoint, arrival, body).await;
        if method.response.stream {
            answer::stream(answer, caller, call.content_type, compress, incoming).await
        } else {
            answer::one(answer, &caller, call.content_type, compress, &incoming)
        }
    }
}

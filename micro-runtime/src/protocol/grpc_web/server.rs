//! The server half: gRPC's, with the trailers in the body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};

use super::base64::{Decoded, Encoded};
use super::trailers;
use crate::error::Result;
use crate::protocol::Site;
use crate::protocol::body::WireBody;
use crate::protocol::grpc::{self, Dialect};

/// Serves one request.
pub(crate) async fn serve<B>(
    site: &Site,
    request: Request<B>,
    peer: Arc<str>,
    text: bool,
) -> Response<WireBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let response = if text {
        grpc::server::serve(site, request.map(Decoded::new), peer, Dialect::WebText).await
    } else {
        grpc::server::serve(site, request, peer, Dialect::Web).await
    };
    // Anything else is a page that says why there is no call.
    if response.status() != StatusCode::OK {
        return response;
    }
    response.map(|body| {
        let body = WireBody::Stream(Box::pin(TrailersInBody(body)));
        if text { WireBody::Stream(Box::pin(Encoded(body))) } else { body }
    })
}

/// A body whose trailers are its last chunk.
struct TrailersInBody(WireBody);

impl Body for TrailersInBody {
    type Data = Bytes;
    type Error = crate::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut self.0).poll_frame(task);
        frame.map_ok(|frame| match frame.into_trailers() {
            Ok(trailers) => Frame::data(trailers::write(&trailers)),
            Err(frame) => frame,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

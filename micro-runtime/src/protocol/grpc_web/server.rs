//! The server half: gRPC's, with the trailers in the body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};

use super::base64::{Decoded, Encoded};
use super::trailers;
use crate::context::Origin;
use crate::error::{Error, Result};
use crate::protocol::Site;
use crate::protocol::body::WireBody;
use crate::protocol::grpc::{self, Dialect};

/// Serves one request, in one of the two forms of gRPC-Web.
pub(crate) async fn serve<B>(
    site: &Site,
    request: Request<B>,
    peer: Arc<Origin>,
    dialect: Dialect,
) -> Response<WireBody>
where
    B: Body<Data = Bytes> + Send + Unpin + 'static,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let response = if dialect == Dialect::WebText {
        grpc::server::serve(site, request.map(Decoded::new), peer, dialect).await
    } else {
        grpc::server::serve(site, request, peer, dialect).await
    };
    packed(dialect, response)
}

/// The response as this dialect has it: nothing is different in gRPC itself, and anything but a call
/// that was answered is a page that says why there is none.
pub(crate) fn packed(dialect: Dialect, response: Response<WireBody>) -> Response<WireBody> {
    if dialect == Dialect::Grpc || response.status() != StatusCode::OK {
        return response;
    }
    response.map(|body| {
        let body = WireBody::Stream(Box::pin(TrailersInBody(body)));
        if dialect == Dialect::WebText { WireBody::Stream(Box::pin(Encoded(body))) } else { body }
    })
}

/// A body whose trailers are its last chunk.
struct TrailersInBody(WireBody);

impl Body for TrailersInBody {
    type Data = Bytes;
    type Error = Error;

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

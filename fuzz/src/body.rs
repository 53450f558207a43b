use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

/// A body that ends as it is told.
pub(crate) struct Sent {
    rest: Bytes,
    /// How much of it is sent at once.
    chunk: usize,
    end: End,
}

/// How a body ends.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Good,
    Trailers(HeaderMap),
    Broken,
    Never,
}

impl Sent {
    pub(crate) fn new(bytes: impl Into<Bytes>, chunk: usize, end: End) -> Self {
        Self { rest: bytes.into(), chunk, end }
    }
}

impl Body for Sent {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        if !self.rest.is_empty() {
            let length = self.chunk.min(self.rest.len());
            return Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(length)))));
        }
        match std::mem::replace(&mut self.end, End::Good) {
            End::Good => Poll::Ready(None),
            End::Trailers(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            End::Broken => Poll::Ready(Some(Err(io::ErrorKind::BrokenPipe.into()))),
            End::Never => {
                self.end = End::Never;
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && matches!(self.end, End::Good)
    }
}

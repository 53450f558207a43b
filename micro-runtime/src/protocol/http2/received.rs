use std::pin::Pin;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::Bytes;
use h2::RecvStream;
use http::header::{CONTENT_LENGTH, HeaderMap};
use http_body::{Body, Frame, SizeHint};

use crate::error::{Error, Result};
use crate::protocol::read_limits::broken_off;

/// A body as it arrives. Dropping it before its end breaks it off.
pub(crate) struct Received {
    stream: RecvStream,
    /// How many bytes are to come, where the headers say so.
    left: Option<u64>,
    /// Whether there is no more data, which leaves the trailers.
    data_ended: bool,
}

impl Received {
    /// The body behind these headers.
    pub(crate) fn new(stream: RecvStream, headers: &HeaderMap) -> Self {
        let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
        Self { stream, left: length, data_ended: false }
    }
}

impl Body for Received {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if !this.data_ended {
            match ready!(this.stream.poll_data(task)) {
                Some(Ok(bytes)) => {
                    // It fails only where there is no such window any more.
                    let _ = this.stream.flow_control().release_capacity(bytes.len());
                    this.left = this.left.map(|left| left.saturating_sub(bytes.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Err(error)) => return Poll::Ready(Some(Err(broken_off(error)))),
                None => this.data_ended = true,
            }
        }
        match ready!(this.stream.poll_trailers(task)) {
            Ok(trailers) => Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(Some(Err(broken_off(error)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

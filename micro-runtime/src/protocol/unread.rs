//! Whether an HTTP/1.1 connection can go on after an answer: its next request stands behind the rest
//! of the one that is answered.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::{Body, Frame, SizeHint};

/// How much of a large request is not read yet.
pub(super) struct Unread(Option<Counter>);

struct Counter {
    /// In bytes.
    left: Arc<AtomicU64>,
    most: u64,
}

impl Unread {
    /// The request, and how much of it is to come. Nothing is counted where it is no larger than
    /// `most` bytes or does not say how large it is, nor over HTTP/2, where requests do not stand in
    /// a row.
    pub(super) fn of<B: Body<Data = Bytes>>(request: Request<B>, most: usize) -> (Request<Counted<B>>, Self) {
        let (size, most) = (request.body().size_hint().upper(), most as u64);
        let counts = request.version() < Version::HTTP_2 && size.is_some_and(|size| size > most);
        let left = counts.then(|| Arc::new(AtomicU64::new(size.unwrap_or_default())));
        let unread = Self(left.clone().map(|left| Counter { left, most }));
        (request.map(|body| Counted { body, left }), unread)
    }

    /// Tells the client not to use the connection again where more than `most` bytes are to come: so
    /// much is not taken in after an answer (see [`linger`](super::linger)), and a request that is
    /// sent behind them would be lost.
    pub(super) fn close_after<T>(&self, response: &mut Response<T>) {
        if let Some(Counter { left, most }) = &self.0
            && left.load(Ordering::Relaxed) > *most
        {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
    }
}

/// A body that says how much of it is to come.
pub(super) struct Counted<B> {
    body: B,
    left: Option<Arc<AtomicU64>>,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(task);
        if let Some(left) = &self.left {
            left.store(self.body.size_hint().upper().unwrap_or_default(), Ordering::Relaxed);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

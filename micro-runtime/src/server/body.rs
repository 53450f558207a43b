//! The bodies that tower layers and a mounted service see.

use std::any::Any;
use std::error::Error as StdError;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::activity::{Activity, Reading};
use super::panics::panicked;
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::http2::Received;
use crate::protocol::read_limits::broken_off;

/// What errors of foreign bodies and services are turned into, on their way here.
pub(super) type BoxError = Box<dyn StdError + Send + Sync>;

type BoxBody = Pin<Box<dyn Body<Data = Bytes, Error = Error> + Send>>;

/// The body of a request, as tower layers and a mounted service get it.
///
/// A layer may hand another body on, in which it wrapped this one: every [`Body`] of [`Bytes`] can
/// become one of these again.
#[derive(Default)]
pub struct RequestBody(Kind);

#[derive(Default)]
enum Kind {
    #[default]
    Empty,
    /// Right from a connection of HTTP/1.1, without a box.
    Incoming {
        body: Incoming,
        _reading: Reading,
    },
    Received(Received),
    Other(BoxBody),
}

impl RequestBody {
    /// From any other body. One of these stays as it is.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        cast(body, |body| Self(Kind::Other(Box::pin(body.map_err(|error| ours(error.into(), "request"))))))
    }

    /// The body of a request on a connection of HTTP/1.1.
    pub(super) fn incoming(body: Incoming, connection: &Arc<Activity>) -> Self {
        if body.is_end_stream() {
            return Self(Kind::Empty);
        }
        Self(Kind::Incoming { body, _reading: connection.read() })
    }
}

impl From<Received> for RequestBody {
    fn from(body: Received) -> Self {
        Self(Kind::Received(body))
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Incoming { body, .. } => {
                Pin::new(body).poll_frame(task).map(|frame| frame.map(|frame| frame.map_err(broken_off)))
            }
            Kind::Received(body) => Pin::new(body).poll_frame(task),
            Kind::Other(body) => body.as_mut().poll_frame(task),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Incoming { body, .. } => body.is_end_stream(),
            Kind::Received(body) => body.is_end_stream(),
            Kind::Other(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Incoming { body, .. } => body.size_hint(),
            Kind::Received(body) => body.size_hint(),
            Kind::Other(body) => body.size_hint(),
        }
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody").finish_non_exhaustive()
    }
}

/// The body of an answer, as tower layers get it.
///
/// A layer that answers in place of what it stands around makes one from text or bytes, or from any
/// other [`Body`].
///
/// ```
/// # use micro_runtime::server::ResponseBody;
/// let page = ResponseBody::from("come back later");
/// let nothing = ResponseBody::default();
/// ```
pub struct ResponseBody(pub(super) WireBody);

impl ResponseBody {
    /// From any other body. One of these stays as it is.
    ///
    /// An error of it, or a panic, breaks the answer off: over HTTP/2 the stream is reset, and
    /// HTTP/1.1 closes the connection.
    pub fn new<B>(body: B) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        cast(body, |body| {
            let body = Box::pin(body.map_err(|error| ours(error.into(), "answer")));
            Self(WireBody::Stream(Box::pin(Caught(Some(body)))))
        })
    }
}

impl Default for ResponseBody {
    fn default() -> Self {
        Self(WireBody::Full(None))
    }
}

impl<T: Into<Bytes>> From<T> for ResponseBody {
    fn from(bytes: T) -> Self {
        Self(WireBody::full(bytes))
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        Pin::new(&mut self.0).poll_frame(task)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}

/// The value itself where it is a `B` already.
fn cast<A: 'static, B: Default + 'static>(value: A, convert: impl FnOnce(A) -> B) -> B {
    let mut value = Some(value);
    let same = (&mut value as &mut dyn Any).downcast_mut::<Option<B>>().and_then(Option::take);
    // One of the two is there.
    same.or_else(|| value.map(convert)).unwrap_or_default()
}

/// Our own errors pass layers as they are.
#[cold]
fn ours(error: BoxError, what: &str) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => *error,
        Err(error) => Error::unknown(format!("the body of the {what} broke off: {error}")).with_source(error),
    }
}

/// A body whose panic is an error of this answer and nothing else's.
struct Caught<B>(Option<Pin<Box<B>>>);

impl<B: Body<Data = Bytes, Error = Error>> Body for Caught<B> {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Some(body) = &mut self.0 else { return Poll::Ready(None) };
        match catch_unwind(AssertUnwindSafe(|| body.as_mut().poll_frame(task))) {
            Ok(polled) => polled,
            Err(panic) => {
                self.0 = None;
                Poll::Ready(Some(Err(panicked(&*panic))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|body| body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or(SizeHint::with_exact(0), |body| body.size_hint())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;
    use http_body_util::{Full, Limited, StreamBody};

    use super::*;
    use crate::error::Code;

    #[tokio::test]
    async fn a_body_that_passes_through_is_not_wrapped_again() {
        let body = RequestBody::new(Full::new(Bytes::from("a")));
        let Kind::Other(before) = &body.0 else { panic!("it is another body") };
        let before: *const () = (&raw const **before).cast();
        let body = RequestBody::new(body);
        let Kind::Other(after) = &body.0 else { panic!("it is another body") };
        assert_eq!(before, (&raw const **after).cast());
        assert_eq!(body.collect().await.unwrap().to_bytes(), "a");

        let body = ResponseBody::new(ResponseBody::from("b"));
        assert!(matches!(body.0, WireBody::Full(_)));
    }

    #[tokio::test]
    async fn errors_keep_what_they_say() {
        let foreign = Limited::new(Full::new(Bytes::from("a")), 0);
        let error = RequestBody::new(foreign).collect().await.unwrap_err();
        assert_eq!(error.message(), "the body of the request broke off: length limit exceeded");

        // One of ours has passed a layer that boxed it.
        let chunks = stream::iter([Err::<Frame<Bytes>, _>(Error::aborted("enough"))]);
        let ours = Limited::new(StreamBody::new(chunks), 9);
        let error = RequestBody::new(ours).collect().await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Code::Aborted, "enough"));
    }
}

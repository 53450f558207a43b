//! Reading an HTTP body: how large it may be, how long it may be silent, and what it means when it
//! breaks off.

use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::reset;
use crate::endpoint::at_once;
use crate::error::{Code, Error, Result};

/// Limits for the reading of a body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReadLimits {
    /// The largest message, in bytes.
    pub(crate) max_message_size: usize,
    /// How long the next bytes of a message may take; `None` where a deadline sees to that.
    pub(crate) idle: Option<Duration>,
}

impl ReadLimits {
    /// `size` is exact, or the least that it can be.
    pub(crate) fn check(self, size: u64, exact: bool) -> Result<()> {
        if size <= self.max_message_size as u64 {
            return Ok(());
        }
        let (least, limit) = (if exact { "" } else { "at least " }, self.max_message_size);
        Err(Error::resource_exhausted(format!(
            "a message of {least}{size} bytes is larger than the limit of {limit} bytes \
             (the option `max_message_size` of the side that reads it)"
        )))
    }

    /// The limits of a message that is compressed. What does not shrink by that grows by a little,
    /// which is granted here: the message itself is measured once it is decompressed.
    pub(crate) fn of_encoded(self) -> Self {
        let slack = self.max_message_size / 64 + 256;
        Self { max_message_size: self.max_message_size.saturating_add(slack), ..self }
    }

    /// Waits for a part of a message, but not for ever.
    pub(crate) async fn next<B>(self, body: &mut B) -> Option<Result<Frame<Bytes>>>
    where
        B: Body<Data = Bytes> + Unpin,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let mut frame = pin!(body.frame());
        let frame = match (at_once(frame.as_mut()).await, self.idle) {
            (Poll::Ready(frame), _) => frame,
            (Poll::Pending, Some(idle)) => match timeout(idle, frame).await {
                Ok(frame) => frame,
                Err(_) => {
                    let idle = humantime::format_duration(idle);
                    let message = format!(
                        "no byte of the message's rest arrived for {idle} (the option `body_timeout`)"
                    );
                    return Some(Err(Error::deadline_exceeded(message)));
                }
            },
            (Poll::Pending, None) => frame.await,
        };
        frame.map(|frame| frame.map_err(broken_off))
    }
}

/// The error of a body or a connection that did not come to its end.
#[cold]
pub(crate) fn broken_off(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let error: Box<dyn std::error::Error + Send + Sync> = Box::new(error);
    // A body of ours that reads another one has words of its own.
    let error = match error.downcast::<Error>() {
        Ok(own) => return *own,
        Err(error) => error,
    };
    // What the HTTP library says of a reset is that there was an error of HTTP/2.
    let (code, text) = match reset::cause(&*error) {
        Some((reason, code)) => (code, format!("the other side broke the call off: {reason} ({reason:?})")),
        None => (Code::Unavailable, format!("the connection broke off: {error}")),
    };
    Error::new(code, text).with_source(error)
}

/// Reads a whole body. One that arrives in one piece is not copied.
pub(crate) async fn read_all<B>(mut body: B, limits: ReadLimits) -> Result<Bytes>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    if let Some(size) = body.size_hint().exact() {
        limits.check(size, true)?;
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = limits.next(&mut body).await {
        let Ok(data) = frame?.into_data() else { continue };
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
        limits.check(rest.len().max(first.len()) as u64, false)?;
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use http::HeaderMap;
    use http_body_util::StreamBody;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_body_is_read_whole_or_refused_at_the_limit(
            chunks in vec(vec(any::<u8>(), 0..20), 0..6),
            trailers in any::<bool>(),
            limit in 0..80_usize,
        ) {
            let whole = chunks.concat();
            let frames = chunks.into_iter().map(|chunk| Frame::data(Bytes::from(chunk)));
            let last = trailers.then(|| Frame::trailers(HeaderMap::new()));
            let frames = frames.chain(last).map(Ok::<_, std::io::Error>);
            let limits = ReadLimits { max_message_size: limit, idle: None };
            let read = read_all(StreamBody::new(stream::iter(frames)), limits).now_or_never().unwrap();
            match read {
                Ok(read) => prop_assert_eq!(&read[..], &whole[..]),
                Err(error) => {
                    prop_assert_eq!(error.code(), Code::ResourceExhausted);
                    prop_assert!(whole.len() > limit);
                }
            }
        }
    }
}

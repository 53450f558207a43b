//! Bodies in base64: one piece after the other, each padded on its own.

use std::fmt;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};

use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::headers::BASE64;
use crate::protocol::read_limits::broken_off;

/// A body that arrives in base64, without it.
pub(super) struct Decoded<B> {
    body: B,
    /// What is left of the last four letters.
    rest: BytesMut,
    ended: bool,
}

impl<B> Decoded<B> {
    pub(super) fn new(body: B) -> Self {
        Self { body, rest: BytesMut::new(), ended: false }
    }
}

impl<B> fmt::Debug for Decoded<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoded").finish_non_exhaustive()
    }
}

impl<B> Body for Decoded<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if this.ended {
            return Poll::Ready(None);
        }
        let decoded = match Pin::new(&mut this.body).poll_frame(task) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    this.rest.extend_from_slice(&data);
                    let whole = this.rest.len() / 4 * 4;
                    decode(&this.rest.split_to(whole))
                }
                Err(frame) => return Poll::Ready(Some(Ok(frame))),
            },
            Poll::Ready(Some(Err(error))) => Err(broken_off(error)),
            Poll::Ready(None) => {
                this.ended = true;
                if this.rest.is_empty() {
                    return Poll::Ready(None);
                }
                // Without the padding at its end.
                decode(&this.rest.split())
            }
        };
        this.ended |= decoded.is_err();
        Poll::Ready(Some(decoded.map(|data| Frame::data(data.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.ended || (self.rest.is_empty() && self.body.is_end_stream())
    }
}

/// Decodes fours of letters, any of which may be padded, and what is left of the last one.
fn decode(text: &[u8]) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 3);
    let mut rest = text;
    while !rest.is_empty() {
        // A piece ends with the four that is padded.
        let padding = rest.iter().position(|letter| *letter == b'=').unwrap_or(rest.len());
        let (piece, behind) = rest.split_at((padding / 4 * 4 + 4).min(rest.len()));
        BASE64.decode_vec(piece, &mut bytes).map_err(|error| {
            Error::invalid_argument(format!("the body is not base64: {error}")).with_source(error)
        })?;
        rest = behind;
    }
    Ok(bytes)
}

/// A body of ours, in base64. Each chunk is a piece of its own, so that none waits for the next.
pub(super) struct Encoded(pub(super) WireBody);

impl Body for Encoded {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>>>> {
        let frame = Pin::new(&mut self.0).poll_frame(task);
        frame.map(|frame| {
            frame.map(|frame| frame.map(|frame| frame.map_data(|data| STANDARD.encode(data).into())))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use http_body_util::{BodyExt as _, StreamBody};
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    /// Cuts `text` at these places and reads the pieces.
    fn read(text: &[u8], cuts: &[usize]) -> Result<Vec<u8>> {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (text.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([text.len()]) {
            pieces.push(Ok::<_, std::io::Error>(Frame::data(Bytes::copy_from_slice(&text[from..to]))));
            from = to;
        }
        let body = Decoded::new(StreamBody::new(stream::iter(pieces)));
        body.collect().now_or_never().unwrap().map(|body| body.to_bytes().to_vec())
    }

    proptest! {
        #[test]
        fn padded_pieces_survive_being_cut_anywhere(
            pieces in vec(vec(any::<u8>(), 0..20), 0..6),
            cuts in vec(any::<usize>(), 0..10),
        ) {
            let text: String = pieces.iter().map(|piece| STANDARD.encode(piece)).collect();
            prop_assert_eq!(read(text.as_bytes(), &cuts).unwrap(), pieces.concat());
            let text = text.trim_end_matches('=');
            prop_assert_eq!(read(text.as_bytes(), &cuts).unwrap(), pieces.concat());
        }

        #[test]
        fn any_text_is_bytes_or_an_error(
            text in vec(prop_oneof![Just(b'='), b'A'..=b'Z', any::<u8>()], 0..40),
            cuts in vec(any::<usize>(), 0..10),
        ) {
            if let Err(error) = read(&text, &cuts) {
                prop_assert_eq!(error.code(), Code::InvalidArgument);
            }
        }

        #[test]
        fn what_is_written_is_read(bytes in vec(any::<u8>(), 0..40)) {
            let body = Encoded(WireBody::full(bytes.clone()));
            let text = body.collect().now_or_never().unwrap().unwrap().to_bytes();
            prop_assert_eq!(read(&text, &[]).unwrap(), bytes);
        }
    }
}

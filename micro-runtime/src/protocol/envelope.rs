//! The reading side of envelopes: a byte of flags, four bytes of length, a message. Connect and
//! gRPC share it.

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;

use super::body::ReadLimits;
use crate::error::{Error, Result};

/// Cuts a body into envelopes.
pub(crate) struct Envelopes<B> {
    body: B,
    buffer: BytesMut,
    limits: ReadLimits,
    trailers: Option<HeaderMap>,
}

/// One envelope.
#[derive(Debug)]
pub(crate) struct Envelope {
    pub(crate) flags: u8,
    pub(crate) message: Bytes,
}

impl<B> Envelopes<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    pub(crate) fn new(body: B, limits: ReadLimits) -> Self {
        Self { body, buffer: BytesMut::new(), limits, trailers: None }
    }

    /// Waits for the next envelope; `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Result<Option<Envelope>> {
        loop {
            if let Some(envelope) = self.take()? {
                return Ok(Some(envelope));
            }
            // A stream may be silent for as long as it likes, but not in the middle of a message.
            let begun = !self.buffer.is_empty();
            let limits = ReadLimits { idle: self.limits.idle.filter(|_| begun), ..self.limits };
            match limits.next(&mut self.body).await {
                Some(frame) => match frame?.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                None if begun => {
                    let rest = self.buffer.len();
                    return Err(Error::invalid_argument(format!(
                        "the stream ends in the middle of a message: its last {rest} bytes are not a whole envelope \
                         (a byte of flags, four bytes of length, the message)"
                    )));
                }
                None => return Ok(None),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Envelope>> {
        let Some((head, rest)) = self.buffer.split_first_chunk::<5>() else { return Ok(None) };
        let [flags, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        self.limits.check(length as u64, true)?;
        if rest.len() < length {
            let missing = length - rest.len();
            self.buffer.reserve(missing.min(64 * 1024));
            return Ok(None);
        }
        self.buffer.advance(5);
        Ok(Some(Envelope { flags, message: self.buffer.split_to(length).freeze() }))
    }
}

//! The reading side of envelopes: a byte of flags, four bytes of length, a message. Connect, gRPC
//! and gRPC-Web share it.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use super::read_limits::ReadLimits;
use crate::codec::Compression;
use crate::error::{Code, Error, Result};

/// The flag of a compressed message.
pub(crate) const COMPRESSED: u8 = 0b01;

/// How long the end of a body is waited for where nothing depends on it.
const FULL_STOP: Duration = Duration::from_millis(100);

/// Cuts a body into envelopes.
pub(crate) struct Envelopes<B> {
    body: B,
    /// What has arrived last. Envelopes that are whole in it are not copied.
    chunk: Bytes,
    /// The start of an envelope that arrives in several chunks; then `chunk` is empty.
    buffer: BytesMut,
    limits: ReadLimits,
    trailers: Option<HeaderMap>,
    /// Whether the next bytes are always due.
    due: bool,
    /// How the messages are compressed that are marked so.
    compression: Option<Compression>,
    /// The code of a body that ends in the middle of a message: whoever sent it is wrong.
    cut_off: Code,
}

/// One envelope.
#[derive(Debug)]
pub(crate) struct Envelope {
    /// Its flags, without the one that says that it is compressed: it no longer is.
    pub(crate) flags: u8,
    pub(crate) message: Bytes,
}

impl<B> Envelopes<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    /// The envelopes of a request.
    pub(crate) fn of_request(body: B, limits: ReadLimits, compression: Option<Compression>) -> Self {
        let (chunk, buffer, cut_off) = (Bytes::new(), BytesMut::new(), Code::InvalidArgument);
        Self { body, chunk, buffer, limits, trailers: None, due: false, compression, cut_off }
    }

    /// The envelopes of a response.
    pub(crate) fn of_response(body: B, limits: ReadLimits, compression: Option<Compression>) -> Self {
        Self { cut_off: Code::Internal, ..Self::of_request(body, limits, compression) }
    }

    /// For a body of one message: it may never be silent, until its end.
    pub(crate) fn due(mut self) -> Self {
        self.due = true;
        self
    }

    /// Waits for the next envelope; `None` at the end of the body.
    pub(crate) async fn next(&mut self) -> Result<Option<Envelope>> {
        loop {
            if let Some(envelope) = self.take()? {
                return Ok(Some(envelope));
            }
            // A stream may be silent for as long as it likes, but not in the middle of a message.
            let rest = self.arrived().len();
            let begun = rest > 0;
            let limits = ReadLimits { idle: self.limits.idle.filter(|_| begun || self.due), ..self.limits };
            match limits.next(&mut self.body).await {
                Some(frame) => match frame?.into_data() {
                    Ok(data) => self.push(data),
                    Err(frame) => self.trailers = frame.into_trailers().ok(),
                },
                None if begun => {
                    return Err(Error::new(
                        self.cut_off,
                        format!(
                            "the stream ends in the middle of a message: its last {rest} bytes are not a whole envelope \
                         (a byte of flags, four bytes of length, the message)"
                        ),
                    ));
                }
                None => return Ok(None),
            }
        }
    }

    /// The message of the next envelope, if all of it is here and nothing is special about it.
    pub(crate) fn at_hand(&mut self) -> Option<Bytes> {
        if !self.buffer.is_empty() {
            return None;
        }
        let (&[0, length @ ..], rest) = self.chunk.split_first_chunk::<5>()? else { return None };
        let length = u32::from_be_bytes(length) as usize;
        if length > rest.len() || length > self.limits.max_message_size {
            return None;
        }
        self.chunk.advance(5);
        Some(self.chunk.split_to(length))
    }

    /// What stands behind the last envelope; known once there are no more.
    pub(crate) fn take_trailers(&mut self) -> Option<HeaderMap> {
        self.trailers.take()
    }

    /// What has arrived and is not read yet.
    fn arrived(&self) -> &[u8] {
        if self.buffer.is_empty() { &self.chunk } else { &self.buffer }
    }

    fn push(&mut self, data: Bytes) {
        if self.arrived().is_empty() {
            self.chunk = data;
            return;
        }
        self.buffer.extend_from_slice(&std::mem::take(&mut self.chunk));
        self.buffer.extend_from_slice(&data);
    }

    /// Reads the end of a body whose last envelope was read. It is mostly there already, and a
    /// connection whose answer is read to its end can be used again.
    pub(crate) async fn finish(&mut self) {
        if !self.body.is_end_stream() {
            let _ = timeout(FULL_STOP, self.body.frame()).await;
        }
    }

    fn take(&mut self) -> Result<Option<Envelope>> {
        let Some((head, rest)) = self.arrived().split_first_chunk::<5>() else { return Ok(None) };
        let [flags, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        let compressed = flags & COMPRESSED != 0;
        let limits = if compressed { self.limits.of_encoded() } else { self.limits };
        limits.check(length as u64, true)?;
        if rest.len() < length {
            let (arrived, missing) = (self.chunk.len(), length - rest.len());
            self.buffer.reserve(arrived + missing.min(64 * 1024));
            return Ok(None);
        }
        let mut message = if self.buffer.is_empty() {
            self.chunk.advance(5);
            self.chunk.split_to(length)
        } else {
            self.buffer.advance(5);
            self.buffer.split_to(length).freeze()
        };
        if compressed {
            let compression = self.compression.ok_or_else(uncalled_for)?;
            message = compression.decompress(&message, self.limits.max_message_size)?;
        }
        Ok(Some(Envelope { flags: flags & !COMPRESSED, message }))
    }
}

#[cold]
fn uncalled_for() -> Error {
    Error::internal("a message is marked as compressed, and no header says how")
}

/// The error of an envelope that is of no kind the protocol has.
#[cold]
pub(crate) fn unknown_flags(flags: u8) -> Error {
    Error::internal(format!("an envelope has the flags {flags:#010b}, which mean nothing here"))
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, stream};
    use http_body::Frame;
    use http_body_util::StreamBody;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    const LIMITS: ReadLimits = ReadLimits { max_message_size: 64, idle: None };

    /// Cuts `bytes` at these places and reads the pieces; all of them are there already.
    fn read(bytes: &[u8], cuts: &[usize]) -> (Vec<(u8, Bytes)>, Result<()>) {
        read_compressed(bytes, cuts, None)
    }

    fn read_compressed(
        bytes: &[u8],
        cuts: &[usize],
        compression: Option<Compression>,
    ) -> (Vec<(u8, Bytes)>, Result<()>) {
        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for to in cuts.into_iter().chain([bytes.len()]) {
            pieces.push(Ok::<_, std::io::Error>(Frame::data(Bytes::copy_from_slice(&bytes[from..to]))));
            from = to;
        }
        let mut envelopes = Envelopes::of_request(StreamBody::new(stream::iter(pieces)), LIMITS, compression);
        let mut read = Vec::new();
        loop {
            // Either way leads to the same.
            if read.len() % 2 == 1
                && let Some(message) = envelopes.at_hand()
            {
                read.push((0, message));
                continue;
            }
            match envelopes.next().now_or_never().unwrap() {
                Ok(Some(Envelope { flags, message })) => read.push((flags, message)),
                Ok(None) => return (read, Ok(())),
                Err(error) => return (read, Err(error)),
            }
        }
    }

    fn uncompressed() -> impl Strategy<Value = u8> {
        any::<u8>().prop_map(|flags| flags & !COMPRESSED)
    }

    fn written(envelopes: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let envelope = |(flags, message): &(u8, Vec<u8>)| {
            let length = u32::try_from(message.len()).unwrap().to_be_bytes();
            [&[*flags][..], &length, message].concat()
        };
        envelopes.iter().flat_map(envelope).collect()
    }

    proptest! {
        #[test]
        fn envelopes_survive_being_cut_anywhere(
            envelopes in vec((uncompressed(), vec(any::<u8>(), 0..=64)), 0..8),
            cuts in vec(any::<usize>(), 0..20),
        ) {
            let (read, ended) = read(&written(&envelopes), &cuts);
            prop_assert!(ended.is_ok());
            let read: Vec<_> = read.into_iter().map(|(flags, message)| (flags, message.to_vec())).collect();
            prop_assert_eq!(read, envelopes);
        }

        #[test]
        fn a_body_that_ends_inside_an_envelope_is_an_error_after_the_whole_ones(
            whole in vec((uncompressed(), vec(any::<u8>(), 0..=64)), 0..4),
            last in vec(any::<u8>(), 0..=64),
            keep in any::<usize>(),
            cuts in vec(any::<usize>(), 0..20),
        ) {
            let last = written(&[(0, last)]);
            let bytes = [&written(&whole)[..], &last[..1 + keep % (last.len() - 1)]].concat();
            let (read, ended) = read(&bytes, &cuts);
            prop_assert_eq!(read.len(), whole.len());
            prop_assert_eq!(ended.unwrap_err().code(), Code::InvalidArgument);
        }

        #[test]
        fn an_envelope_over_the_limit_is_refused_by_its_head(
            flags in uncompressed(),
            length in 65_u32..,
            rest in vec(any::<u8>(), 0..100),
        ) {
            let bytes = [&[flags][..], &length.to_be_bytes(), &rest].concat();
            let (read, ended) = read(&bytes, &[]);
            prop_assert!(read.is_empty());
            prop_assert_eq!(ended.unwrap_err().code(), Code::ResourceExhausted);
        }

        #[test]
        fn any_bytes_are_envelopes_or_an_error(
            bytes in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..300),
            cuts in vec(any::<usize>(), 0..20),
        ) {
            let (read, ended) = read(&bytes, &cuts);
            prop_assert!(read.iter().all(|(_, message)| message.len() <= 64));
            let size: usize = read.iter().map(|(_, message)| 5 + message.len()).sum();
            prop_assert!(ended.is_err() || size == bytes.len());
        }

        #[test]
        fn a_compressed_envelope_is_read_unless_its_message_is_over_the_limit(
            message in vec(prop_oneof![Just(0_u8), any::<u8>()], 0..=128),
            cuts in vec(any::<usize>(), 0..20),
        ) {
            for compression in Compression::ALL {
                let mut compressed = BytesMut::new();
                compression.compress(&message, &mut compressed).unwrap();
                let bytes = written(&[(COMPRESSED | 4, compressed.to_vec())]);
                let (read, ended) = read_compressed(&bytes, &cuts, Some(*compression));
                if message.len() <= 64 {
                    prop_assert!(ended.is_ok());
                    prop_assert_eq!(read, [(4, Bytes::from(message.clone()))]);
                } else {
                    prop_assert_eq!(ended.unwrap_err().code(), Code::ResourceExhausted);
                }
            }
        }
    }
}

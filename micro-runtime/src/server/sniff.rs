//! Tells what a new connection speaks by its first bytes, which are kept for whoever reads on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

use super::activity::Activity;
use crate::protocol::native::PREFACE;
use crate::transport::BoxIo;

/// How every HTTP/2 connection opens (RFC 9113, section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How every TLS connection opens: the type of its first record, a handshake (RFC 8446, section
/// 5.1). No other protocol here begins with this byte.
const TLS_HANDSHAKE: u8 = 22;

/// What a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spoken {
    Tls,
    Http1,
    Http2,
    Native,
}

/// Reads until it is clear what the connection speaks.
pub(super) async fn sniff(mut io: BoxIo, activity: Arc<Activity>) -> io::Result<(Spoken, Sniffed)> {
    let mut read = [0; HTTP2_PREFACE.len()];
    let mut length = 0;
    let spoken = loop {
        let more = io.read(&mut read[length..]).await?;
        if more == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        length += more;
        if read[0] == TLS_HANDSHAKE {
            break Spoken::Tls;
        }
        let (native, http2) =
            (read[..length].starts_with(PREFACE), read[..length] == HTTP2_PREFACE[..length]);
        if native || http2 && length == HTTP2_PREFACE.len() {
            break if native { Spoken::Native } else { Spoken::Http2 };
        }
        if !http2 && !PREFACE.starts_with(&read[..length]) {
            break Spoken::Http1;
        }
    };
    activity.hear();
    Ok((spoken, Sniffed { read, from: 0, to: length, io, activity }))
}

/// A connection whose first bytes are read already, and are read again. It notes when it reads.
pub(super) struct Sniffed {
    read: [u8; HTTP2_PREFACE.len()],
    from: usize,
    to: usize,
    io: BoxIo,
    activity: Arc<Activity>,
}

impl AsyncRead for Sniffed {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.from == this.to {
            let before = buffer.filled().len();
            let polled = Pin::new(&mut this.io).poll_read(task, buffer);
            if buffer.filled().len() > before {
                this.activity.hear();
            }
            return polled;
        }
        let length = buffer.remaining().min(this.to - this.from);
        buffer.put_slice(&this.read[this.from..this.from + length]);
        this.from += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sniffed {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(task, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::io::AsyncWriteExt as _;

    use super::*;

    async fn sniffed(pieces: &[&[u8]]) -> (Spoken, Vec<u8>) {
        let (mut client, server) = tokio::io::duplex(64);
        let (found, ()) = tokio::join!(sniff(Box::new(server), Arc::default()), async {
            for piece in pieces {
                client.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            drop(client);
        });
        let (spoken, mut io) = found.unwrap();
        let mut all = Vec::new();
        io.read_to_end(&mut all).await.unwrap();
        (spoken, all)
    }

    proptest! {
        #[test]
        fn any_bytes_that_come_in_any_pieces_are_told_apart_and_none_is_lost(
            first in prop_oneof![
                Just(Vec::new()),
                (0..=HTTP2_PREFACE.len()).prop_map(|length| HTTP2_PREFACE[..length].to_vec()),
            ],
            rest in vec(any::<u8>(), 0..30),
            cuts in vec(any::<prop::sample::Index>(), 0..4),
        ) {
            let bytes = [first, rest].concat();
            let is_preface = HTTP2_PREFACE.starts_with(&bytes);
            // What is but the start of a preface tells nothing yet.
            prop_assume!(!bytes.is_empty() && (!is_preface || bytes == HTTP2_PREFACE));
            let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len())).collect();
            cuts.sort_unstable();
            let (mut pieces, mut from) = (Vec::new(), 0);
            for to in cuts.into_iter().chain([bytes.len()]) {
                pieces.push(&bytes[from..to]);
                from = to;
            }
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (spoken, read) = runtime.block_on(sniffed(&pieces));
            prop_assert_eq!(&read, &bytes);
            let due = if bytes[0] == TLS_HANDSHAKE {
                Spoken::Tls
            } else if bytes.starts_with(HTTP2_PREFACE) {
                Spoken::Http2
            } else {
                Spoken::Http1
            };
            prop_assert_eq!(spoken, due);
        }
    }

    #[tokio::test]
    async fn the_first_bytes_tell_and_are_not_lost() {
        let http1: &[u8] = b"POST /a HTTP/1.1\r\n\r\n";
        assert_eq!(sniffed(&[http1]).await, (Spoken::Http1, http1.to_vec()));
        assert_eq!(sniffed(&[HTTP2_PREFACE, b"+"]).await, (Spoken::Http2, [HTTP2_PREFACE, b"+"].concat()));
        let split = sniffed(&[&HTTP2_PREFACE[..3], &HTTP2_PREFACE[3..]]).await;
        assert_eq!(split, (Spoken::Http2, HTTP2_PREFACE.to_vec()));
        assert_eq!(sniffed(&[b"PRI", b"NT"]).await, (Spoken::Http1, b"PRINT".to_vec()));
        let hello: &[u8] = &[TLS_HANDSHAKE, 3, 1, 2, 0];
        assert_eq!(sniffed(&[&hello[..1], &hello[1..]]).await, (Spoken::Tls, hello.to_vec()));
    }
}

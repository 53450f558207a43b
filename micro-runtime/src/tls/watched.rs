//! What a server says about a client only after the client's handshake is done.
//!
//! In TLS 1.3 the client is done first, and begins to send. That its certificate is missing or not
//! good it learns when it reads; or, when the server closed the connection meanwhile, when it writes,
//! with an error that does not say why.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::trouble;

/// Why the server ended the handshake, if it did. Then it took no request on the connection.
#[derive(Clone, Default)]
pub(crate) struct Refusal(Arc<OnceLock<String>>);

impl Refusal {
    pub(crate) fn reason(&self) -> Option<&str> {
        self.0.get().map(String::as_str)
    }

    fn look(&self, error: &io::Error) {
        if let Some(reason) = trouble::refusal(error) {
            let _ = self.0.set(reason);
        }
    }
}

/// A connection that notes why it was refused.
pub(super) struct Watched<T> {
    io: T,
    refusal: Refusal,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Watched<T> {
    pub(super) fn new(io: T, refusal: Refusal) -> Self {
        Self { io, refusal }
    }

    fn written<R>(&mut self, task: &mut TaskContext<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if let Poll::Ready(Err(_)) = &polled {
            self.last_words(task);
        }
        polled
    }

    /// The reason may have arrived before the connection was closed.
    #[cold]
    fn last_words(&mut self, task: &mut TaskContext<'_>) {
        let mut scratch = [0; 64];
        let polled = Pin::new(&mut self.io).poll_read(task, &mut ReadBuf::new(&mut scratch));
        if let Poll::Ready(Err(error)) = polled {
            self.refusal.look(&error);
        }
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(task, buffer);
        if let Poll::Ready(Err(error)) = &polled {
            self.refusal.look(error);
        }
        polled
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(task, bytes);
        self.written(task, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(task);
        self.written(task, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(task, slices);
        self.written(task, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

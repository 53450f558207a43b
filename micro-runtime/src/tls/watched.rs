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

/// A connection that notes why it was refused. Once the server has said anything else, it has taken the
/// client, and what it says of certificates later is about something else.
pub(super) struct Watched<T> {
    io: T,
    refusal: Refusal,
    taken: bool,
}

impl<T: AsyncRead + AsyncWrite + Unpin> Watched<T> {
    pub(super) fn new(io: T, refusal: Refusal) -> Self {
        Self { io, refusal, taken: false }
    }

    fn written<R>(&mut self, task: &mut TaskContext<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if let Poll::Ready(Err(_)) = &polled {
            self.last_words(task);
        }
        polled
    }

    fn look(&mut self, polled: &Poll<io::Result<()>>, read: bool) {
        match polled {
            Poll::Ready(Err(error)) if !self.taken => self.refusal.look(error),
            _ => self.taken |= read,
        }
    }

    /// The reason may have arrived before the connection was closed.
    #[cold]
    fn last_words(&mut self, task: &mut TaskContext<'_>) {
        let mut scratch = [0; 64];
        let mut buffer = ReadBuf::new(&mut scratch);
        let polled = Pin::new(&mut self.io).poll_read(task, &mut buffer);
        self.look(&polled, !buffer.filled().is_empty());
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(task, buffer);
        let read = buffer.filled().len() > before;
        self.look(&polled, read);
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

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, Error};
    use tokio::io::AsyncReadExt as _;

    use super::*;

    /// Says what is in it, and then that the certificate is not good.
    struct Refusing(&'static [u8]);

    impl AsyncRead for Refusing {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut TaskContext<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            if self.0.is_empty() {
                let alert = Error::AlertReceived(AlertDescription::BadCertificate);
                return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, alert)));
            }
            buffer.put_slice(std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Refusing {
        fn poll_write(self: Pin<&mut Self>, _: &mut TaskContext<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn who_was_answered_once_was_not_refused() {
        for (said, refused) in [(&b""[..], true), (b"an answer", false)] {
            let refusal = Refusal::default();
            let mut io = Watched::new(Refusing(said), refusal.clone());
            let mut read = Vec::new();
            io.read_to_end(&mut read).await.unwrap_err();
            assert_eq!(read, said);
            assert_eq!(refusal.reason().is_some(), refused);
            tokio::io::AsyncWriteExt::write_all(&mut io, b"x").await.unwrap_err();
            assert_eq!(refusal.reason().is_some(), refused);
        }
    }
}

//! The time that a peer has to read on.

use std::io;
use std::pin::Pin;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

/// A connection that breaks off when nothing of what is to be written can be, for too long.
pub(super) struct Stalling<T> {
    io: T,
    limit: Duration,
    /// Runs while there is something to be written and no room for it.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl<T> Stalling<T> {
    pub(super) fn new(io: T, limit: Duration) -> Self {
        Self { io, limit, stalled: None }
    }

    fn watch<R>(&mut self, task: &mut TaskContext<'_>, polled: Poll<io::Result<R>>) -> Poll<io::Result<R>> {
        if polled.is_ready() {
            self.stalled = None;
            return polled;
        }
        let limit = self.limit;
        let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep(limit)));
        stalled.as_mut().poll(task).map(|()| {
            let limit = humantime::format_duration(limit);
            let message = format!("the peer read nothing for {limit} (the option `write_timeout`)");
            Err(io::Error::new(io::ErrorKind::TimedOut, message))
        })
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Stalling<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(task, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Stalling<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write(task, bytes);
        self.watch(task, polled)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_flush(task);
        self.watch(task, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_shutdown(task);
        self.watch(task, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.io).poll_write_vectored(task, slices);
        self.watch(task, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::join;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_nothing_breaks_the_connection_off() {
        let (ours, _theirs) = duplex(8);
        let mut ours = Stalling::new(ours, LIMIT);
        ours.write_all(b"fits in ").await.unwrap();
        let error = ours.write_all(b"and this does not").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(error.to_string().contains("`write_timeout`"), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_reads_slowly_does_not() {
        let (ours, mut theirs) = duplex(8);
        let mut ours = Stalling::new(ours, LIMIT);
        let reads = async {
            let mut read = [0; 8];
            for _ in 0..5 {
                sleep(LIMIT - Duration::from_secs(1)).await;
                theirs.read_exact(&mut read).await.unwrap();
            }
        };
        let (written, ()) = join!(ours.write_all(&[0; 40]), reads);
        written.unwrap();
    }
}

//! Writes that wait for each other: one system call carries the frames of many calls.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How many bytes are held back, at most.
const MOST: usize = 64 * 1024;

/// From this size on, what is written goes out with what is held, and is not copied.
const LARGE: usize = 8 * 1024;

/// How many pieces of it are looked at.
const PIECES: usize = 16;

/// What tells a [`Corked`] connection when to write. It belongs to the task that runs the
/// connection, which alone reads and writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cork(Arc<State>);

#[derive(Debug, Default)]
struct State {
    in_place: AtomicBool,
    holds: AtomicBool,
    heard: AtomicBool,
}

impl Cork {
    /// Holds writes back from now on, until there are many bytes of them.
    pub(crate) fn hold(&self) {
        self.0.in_place.store(true, Ordering::Relaxed);
    }

    /// Lets writes go from now on, and with the next flush those that were held back.
    pub(crate) fn release(&self) {
        self.0.in_place.store(false, Ordering::Relaxed);
    }

    /// Whether anything is held back.
    pub(crate) fn holds(&self) -> bool {
        self.0.holds.load(Ordering::Relaxed)
    }

    /// Whether anything was read since this was last asked.
    pub(crate) fn heard(&self) -> bool {
        self.0.heard.swap(false, Ordering::Relaxed)
    }
}

/// A connection whose small writes are put together. Nothing is held back beyond a flush, unless its
/// [`Cork`] says so.
pub(crate) struct Corked<T> {
    io: T,
    held: BytesMut,
    cork: Cork,
}

impl<T: AsyncWrite + Unpin> Corked<T> {
    pub(crate) fn new(io: T) -> (Self, Cork) {
        let cork = Cork::default();
        (Self { io, held: BytesMut::new(), cork: cork.clone() }, cork)
    }

    /// Writes what is held back.
    fn poll_drain(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        while !self.held.is_empty() {
            let written = ready!(Pin::new(&mut self.io).poll_write(task, &self.held))?;
            self.written(written)?;
        }
        Poll::Ready(Ok(()))
    }

    /// Notes that so many of the bytes that were held back are written.
    fn written(&mut self, bytes: usize) -> io::Result<()> {
        if bytes == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.held.advance(bytes);
        if self.held.is_empty() {
            // Where nobody has any of it any more, this is where the next bytes go, from the start.
            self.held.clear();
            self.cork.0.holds.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Writes pieces behind what is held back, in one go. Returns how many bytes of the pieces.
    fn poll_through(
        &mut self,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            if self.held.is_empty() {
                return Pin::new(&mut self.io).poll_write_vectored(task, slices);
            }
            let mut all = [IoSlice::new(&[]); PIECES + 1];
            all[0] = IoSlice::new(&self.held);
            let count = slices.len().min(PIECES);
            all[1..=count].copy_from_slice(&slices[..count]);
            let written = ready!(Pin::new(&mut self.io).poll_write_vectored(task, &all[..=count]))?;
            let held = self.held.len();
            self.written(written.min(held))?;
            if written > held {
                return Poll::Ready(Ok(written - held));
            }
        }
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Corked<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.io).poll_read(task, buffer);
        if polled.is_ready() {
            self.cork.0.heard.store(true, Ordering::Relaxed);
        }
        polled
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Corked<T> {
    fn poll_write(self: Pin<&mut Self>, task: &mut TaskContext<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(task, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let size: usize = slices.iter().map(|slice| slice.len()).sum();
        if size >= LARGE && this.io.is_write_vectored() {
            return this.poll_through(task, slices);
        }
        if this.held.len() + size > MOST {
            ready!(this.poll_drain(task))?;
        }
        if size >= LARGE {
            // Without vectored writes it is the first piece alone.
            let first = slices.iter().find(|slice| !slice.is_empty()).map_or(&[][..], |slice| slice);
            ready!(this.poll_drain(task))?;
            return Pin::new(&mut this.io).poll_write(task, first);
        }
        for slice in slices {
            this.held.extend_from_slice(slice);
        }
        if size > 0 {
            this.cork.0.holds.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Ok(size))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        if self.cork.0.in_place.load(Ordering::Relaxed) {
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_drain(task))?;
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_drain(task))?;
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::collection::vec;
    use proptest::prelude::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().build().unwrap()
    }

    proptest! {
        #[test]
        fn any_writes_arrive_whole_and_in_order(
            writes in vec((prop_oneof![0..40_usize, 0..3 * LARGE, 0..2 * MOST], 0..3_u8, any::<bool>()), 0..12),
            buffer in 1..100_000_usize,
        ) {
            runtime().block_on(async {
                let (ours, mut theirs) = tokio::io::duplex(buffer);
                let (mut corked, cork) = Corked::new(ours);
                let sends = async {
                    let mut sent = Vec::new();
                    for (at, (size, what, vectored)) in writes.into_iter().enumerate() {
                        let bytes = vec![u8::try_from(at).unwrap(); size];
                        sent.extend_from_slice(&bytes);
                        match what {
                            0 => cork.hold(),
                            1 => cork.release(),
                            _ => corked.flush().await.unwrap(),
                        }
                        let mut rest = &bytes[..];
                        while vectored && !rest.is_empty() {
                            let (one, two) = rest.split_at(rest.len() / 3);
                            let written = corked.write_vectored(&[IoSlice::new(one), IoSlice::new(two)]).await.unwrap();
                            rest = &rest[written..];
                        }
                        corked.write_all(rest).await.unwrap();
                    }
                    corked.shutdown().await.unwrap();
                    drop(corked);
                    sent
                };
                let mut read = Vec::new();
                let (sent, size) = tokio::join!(sends, theirs.read_to_end(&mut read));
                size.unwrap();
                assert_eq!(read, sent);
            });
        }
    }

    #[tokio::test]
    async fn what_is_small_waits_for_the_flush_that_comes_without_the_cork() {
        let (ours, mut theirs) = tokio::io::duplex(1024);
        let (mut corked, cork) = Corked::new(ours);
        cork.hold();
        corked.write_all(b"one ").await.unwrap();
        corked.flush().await.unwrap();
        corked.write_all(b"two").await.unwrap();
        assert!(cork.holds());
        let mut read = [0; 16];
        assert!(theirs.read(&mut read).now_or_never().is_none());
        cork.release();
        corked.flush().await.unwrap();
        assert!(!cork.holds());
        let size = theirs.read(&mut read).await.unwrap();
        assert_eq!(&read[..size], b"one two");
    }
}

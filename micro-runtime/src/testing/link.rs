//! A connection with faults: a task carries its bytes, late, or not at all.

use std::collections::VecDeque;
use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use crate::transport::BoxIo;

/// How many bytes may be on their way in one direction, before the writer waits.
const ON_THE_WAY: usize = 256 * 1024;

/// How many bytes are taken at a time.
const CHUNK: usize = 16 * 1024;

/// The longest that bytes are on their way; what takes longer never arrives, as far as any test can tell.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What is wrong with a node.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct State {
    pub(super) refuses: bool,
    pub(super) unreachable: bool,
    pub(super) silent: bool,
    pub(super) latency: Duration,
    /// How often its connections were closed. Those that are older than the last time are.
    pub(super) closed: u64,
}

/// Joins a connection with what its client gets, and counts it as open until the client lets go of it.
pub(super) fn join(io: BoxIo, state: watch::Receiver<State>, closed: u64, open: Arc<AtomicUsize>) -> BoxIo {
    let (end, other) = tokio::io::duplex(CHUNK);
    let broken = Arc::new(AtomicBool::new(false));
    tokio::spawn(carry(io, other, state, closed, broken.clone()));
    open.fetch_add(1, Ordering::Relaxed);
    Box::new(End { io: end, broken, open })
}

/// Carries both directions until both have ended, one fails, or the connection is closed by a fault.
async fn carry(
    io: BoxIo,
    client: DuplexStream,
    state: watch::Receiver<State>,
    closed: u64,
    broken: Arc<AtomicBool>,
) {
    let (from_node, to_node) = tokio::io::split(io);
    let (from_client, to_client) = tokio::io::split(client);
    let mut closing = state.clone();
    let closing = async {
        // Without those who could close it, it is not closed.
        if closing.wait_for(|state| state.closed != closed).await.is_err() {
            pending::<()>().await;
        }
    };
    let both = async {
        tokio::try_join!(
            one_way(from_client, to_node, state.clone()),
            one_way(from_node, to_client, state.clone())
        )
    };
    tokio::select! {
        biased;
        () = closing => broken.store(true, Ordering::Relaxed),
        ended = both => broken.store(ended.is_err(), Ordering::Relaxed),
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut state: watch::Receiver<State>,
) -> io::Result<()> {
    // An empty one is the end.
    let mut way: VecDeque<(Instant, BytesMut)> = VecDeque::new();
    let (mut length, mut ended) = (0, false);
    let mut buffer = BytesMut::new();
    loop {
        let State { silent, latency, .. } = *state.borrow_and_update();
        if !silent
            && way.front().is_some_and(|(due, _)| *due <= Instant::now())
            && let Some((_, chunk)) = way.pop_front()
        {
            if chunk.is_empty() {
                return to.shutdown().await;
            }
            length -= chunk.len();
            to.write_all(&chunk).await?;
            continue;
        }
        let due = way.front().map(|(due, _)| *due).filter(|_| !silent);
        buffer.reserve(CHUNK);
        tokio::select! {
            biased;
            Ok(()) = state.changed() => {}
            () = until(due) => {}
            read = from.read_buf(&mut buffer), if !ended && length < ON_THE_WAY => {
                read?;
                let chunk = buffer.split();
                (length, ended) = (length + chunk.len(), chunk.is_empty());
                way.push_back((Instant::now() + latency.min(LONGEST), chunk));
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    match due {
        Some(due) => sleep_until(due).await,
        None => pending().await,
    }
}

/// What the client has of the connection.
struct End {
    io: DuplexStream,
    /// Whether the connection did not end, but break.
    broken: Arc<AtomicBool>,
    open: Arc<AtomicUsize>,
}

impl End {
    fn reset() -> io::Error {
        io::Error::new(io::ErrorKind::ConnectionReset, "connection reset (a fault of the test)")
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        read: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = read.filled().len();
        let polled = Pin::new(&mut self.io).poll_read(task, read);
        let is_end =
            matches!(polled, Poll::Ready(Ok(()))) && read.filled().len() == before && read.remaining() > 0;
        if is_end && self.broken.load(Ordering::Relaxed) { Poll::Ready(Err(Self::reset())) } else { polled }
    }
}

impl AsyncWrite for End {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(Self::reset()));
        }
        Pin::new(&mut self.io).poll_write(task, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(task)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(task)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
    }
}

//! Connections of HTTP/1.1 that become something else, a WebSocket for example: whoever has one then
//! has it from the mounted service or a layer, and keeps it when the server stops, unless it ends here.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::Shared;
use super::activity::Activity;

/// A connection that counts for as long as anybody has it. Once it has become something else, its
/// reading side ends when the server drains, and its writing side when the server cuts off.
pub(super) struct Upgradable<T> {
    io: T,
    activity: Arc<Activity>,
    drain: CancellationToken,
    cut: CancellationToken,
    /// Made when something waits for the peer of an upgraded connection.
    drained: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    cut_off: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    _token: TaskTrackerToken,
    _permit: OwnedSemaphorePermit,
}

impl<T> Upgradable<T> {
    pub(super) fn new(io: T, permit: OwnedSemaphorePermit, activity: Arc<Activity>, shared: &Shared) -> Self {
        Self {
            io,
            activity,
            drain: shared.drain.clone(),
            cut: shared.cut.clone(),
            drained: None,
            cut_off: None,
            _token: shared.tasks.token(),
            _permit: permit,
        }
    }

    /// Whether the reading side ends here, as if the peer had closed it.
    fn has_ended(&mut self, task: &mut TaskContext<'_>) -> bool {
        self.activity.is_upgraded()
            && self
                .drained
                .get_or_insert_with(|| Box::pin(self.drain.clone().cancelled_owned()))
                .as_mut()
                .poll(task)
                .is_ready()
    }

    /// Does what is to be done on the writing side, while there is one.
    fn write<R>(
        &mut self,
        task: &mut TaskContext<'_>,
        poll: impl FnOnce(Pin<&mut T>, &mut TaskContext<'_>) -> Poll<io::Result<R>>,
    ) -> Poll<io::Result<R>>
    where
        T: Unpin,
    {
        if self.activity.is_upgraded() {
            let cut_off = self.cut_off.get_or_insert_with(|| Box::pin(self.cut.clone().cancelled_owned()));
            if cut_off.as_mut().poll(task).is_ready() {
                return Poll::Ready(Err(io::Error::new(
                    io::ErrorKind::ConnectionAborted,
                    "the service has stopped",
                )));
            }
        }
        poll(Pin::new(&mut self.io), task)
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Upgradable<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_ended(task) {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.io).poll_read(task, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Upgradable<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.write(task, |io, task| io.poll_write(task, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.write(task, |io, task| io.poll_flush(task))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        self.write(task, |io, task| io.poll_shutdown(task))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        task: &mut TaskContext<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.write(task, |io, task| io.poll_write_vectored(task, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }
}

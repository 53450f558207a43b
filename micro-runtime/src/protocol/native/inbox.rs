//! The messages of a call that arrive as a stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::entry::{Entry, Item};
use super::link::Link;
use super::state::State;
use crate::error::{Error, Result};
use crate::metadata::Metadata;

/// What becomes of a call whose stream of messages is read.
pub(super) trait Reader: Send + Unpin {
    /// Looks at the call before its next message is waited for.
    fn look(&mut self, entry: &mut Entry);

    /// How a stream ends that the other side ended so. The call may be taken out.
    fn end(&mut self, state: &mut State, call: u32, end: Result<Metadata>) -> Result<()>;

    /// Nobody reads on. `ended` is whether the stream was read to its end.
    fn gone(&mut self, state: &mut State, call: u32, ended: bool);
}

/// Reads the messages of one direction of a call.
pub(super) struct Inbox<R: Reader> {
    link: Arc<Link>,
    call: u32,
    reader: R,
    /// Messages that were taken over together.
    taken: VecDeque<Item>,
    /// How much of them was read and is not granted again yet, in bytes.
    read: usize,
    ended: bool,
    max_message_size: usize,
}

impl<R: Reader> Inbox<R> {
    pub(super) fn new(link: Arc<Link>, call: u32, reader: R, max_message_size: usize) -> Self {
        Self { link, call, reader, taken: VecDeque::new(), read: 0, ended: false, max_message_size }
    }

    /// Takes over what has arrived.
    fn refill(&mut self, task: &TaskContext<'_>) -> Poll<Option<Result<()>>> {
        let Self { link, call, reader, taken, read, ended, .. } = self;
        link.with(|state| {
            let State { calls, account, .. } = &mut *state;
            let Some(entry) = calls.get_mut(call) else {
                *ended = true;
                return Poll::Ready(Some(Err(gone())));
            };
            let grants = entry.receiving.read(std::mem::take(read), account);
            reader.look(entry);
            entry.receiving.swap_queue(taken);
            let end = if taken.is_empty() { entry.receiving.end.take() } else { None };
            if taken.is_empty() && end.is_none() {
                entry.receiving.waker = Some(task.waker().clone());
            }
            Link::grant(state, *call, grants);
            match end {
                Some(end) => {
                    *ended = true;
                    Poll::Ready(reader.end(state, *call, end).err().map(Err))
                }
                None if taken.is_empty() => Poll::Pending,
                None => Poll::Ready(Some(Ok(()))),
            }
        })
    }
}

impl<R: Reader> Stream for Inbox<R> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(item) = this.taken.pop_front() {
                this.read += item.cost();
                if this.read >= this.link.ours.call_window as usize / 2 {
                    this.link.with(|state| {
                        let State { calls, account, .. } = &mut *state;
                        let read = std::mem::take(&mut this.read);
                        let grants = match calls.get_mut(&this.call) {
                            Some(entry) => entry.receiving.read(read, account),
                            None => (0, account.read(read as u64)),
                        };
                        Link::grant(state, this.call, grants);
                    });
                }
                return Poll::Ready(Some(item.read(this.max_message_size)));
            }
            if this.ended {
                return Poll::Ready(None);
            }
            match this.refill(task) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => return Poll::Ready(None),
            }
        }
    }
}

impl<R: Reader> Drop for Inbox<R> {
    fn drop(&mut self) {
        let left: usize = self.taken.iter().map(Item::cost).sum::<usize>() + self.read;
        let Self { link, call, reader, ended, .. } = self;
        link.with(|state| {
            let State { calls, account, .. } = &mut *state;
            // Where the call is over already, what was taken over still counts on the connection.
            let grant = match calls.get_mut(call) {
                Some(entry) => entry.receiving.discard(left, account),
                None => account.read(left as u64),
            };
            Link::grant(state, 0, (0, grant));
            reader.gone(state, *call, *ended);
        });
    }
}

#[cold]
fn gone() -> Error {
    Error::canceled("the call is over")
}

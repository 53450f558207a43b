//! Sends messages as the other side grants it: those of a stream, and single ones that are too large for
//! what is granted at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, ready};

use bytes::{BufMut as _, Bytes, BytesMut};

use super::frame::{self, COMPRESSED, HEAD, Kind, LAST, MORE, cost};
use super::link::Link;
use super::settings::number_of;
use crate::endpoint::Encode;
use crate::error::{Error, Result};
use crate::protocol::compressing::Compress;

/// So many bytes of messages are taken from a stream before they are sent, where they are ready.
const BATCH: usize = 64 * 1024;

/// Frames of one call that wait to be sent.
#[derive(Debug, Default)]
pub(super) struct Frames {
    ready: VecDeque<Ready>,
    buffer: BytesMut,
    /// What that which stands in the buffer counts for the windows.
    buffered: usize,
}

/// Frames that are sent together.
#[derive(Debug)]
struct Ready {
    frames: Bytes,
    /// The payload, where it stands alone.
    payload: Bytes,
    /// What is taken off the windows.
    cost: usize,
}

impl Frames {
    /// Appends a message that is encoded already, in pieces where it is large.
    pub(super) fn message(
        &mut self,
        call: u32,
        mut message: Bytes,
        compressed: bool,
        last: bool,
        piece: usize,
    ) {
        self.cut();
        let mut flags = if compressed { COMPRESSED } else { 0 };
        loop {
            let payload = message.split_to(piece.min(message.len()));
            flags |= if !message.is_empty() {
                MORE
            } else if last {
                LAST
            } else {
                0
            };
            frame::put_head(&mut self.buffer, payload.len(), Kind::Data, flags, call);
            let (frames, cost) = (self.buffer.split().freeze(), cost(payload.len()));
            self.ready.push_back(Ready { frames, payload, cost });
            if message.is_empty() {
                return;
            }
            flags = 0;
        }
    }

    /// Makes one batch of what stands in the buffer.
    fn cut(&mut self) {
        if !self.buffer.is_empty() {
            let (frames, cost) = (self.buffer.split().freeze(), std::mem::take(&mut self.buffered));
            self.ready.push_back(Ready { frames, payload: Bytes::new(), cost });
        }
    }

    /// Whether everything is sent.
    fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.buffer.is_empty()
    }

    /// Appends the next message of a stream; `None` at its end.
    fn poll_next(
        &mut self,
        call: u32,
        messages: &mut Pin<Box<dyn Encode>>,
        compress: Option<Compress>,
        piece: usize,
        task: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<()>>> {
        let start = self.buffer.len();
        frame::put_head(&mut self.buffer, 0, Kind::Data, 0, call);
        let mut polled = messages.as_mut().poll_encode(task, &mut self.buffer);
        if let (Poll::Ready(Some(Ok(()))), Some(compress)) = (&polled, compress) {
            polled = Poll::Ready(Some(self.compress(start, compress)));
        }
        let Poll::Ready(Some(Ok(()))) = polled else {
            self.buffer.truncate(start);
            return polled;
        };
        let length = self.buffer.len() - start - HEAD;
        if length <= piece {
            frame::patch_length(&mut self.buffer, start);
            let cost = cost(length);
            self.buffered += cost;
            // No batch is larger than a piece: only what is that large surely fits into the windows.
            if self.buffered > frame::cost(piece) {
                let last = self.buffer.split_off(start);
                self.buffered -= cost;
                self.cut();
                self.buffer = last;
                self.buffered = cost;
            }
            return polled;
        }
        let message = self.buffer.split_off(start);
        let compressed = message[4] & COMPRESSED != 0;
        self.message(call, message.freeze().slice(HEAD..), compressed, false, piece);
        polled
    }

    /// Compresses the message of the frame that begins at `start`, if that is worth it.
    fn compress(&mut self, start: usize, compress: Compress) -> Result<()> {
        let message = start + HEAD;
        if compress.tail(&mut self.buffer, message)? {
            let compressed = self.buffer.split_off(message);
            self.buffer[start + 4] |= COMPRESSED;
            self.buffer.put_u8(number_of(compress.compression));
            self.buffer.unsplit(compressed);
        }
        Ok(())
    }

    /// Leaves what is granted in the outbox. Ready when that is everything, and `false` where the call is
    /// over.
    fn poll_send(&mut self, link: &Link, call: u32, task: &TaskContext<'_>) -> Poll<bool> {
        self.cut();
        link.with(|state| {
            loop {
                // Nobody writes any more.
                if state.ended.is_some() {
                    return Poll::Ready(false);
                }
                let Some(granted) = state.may_send(call) else { return Poll::Ready(false) };
                let Some(next) = self.ready.front() else { return Poll::Ready(true) };
                if (next.cost as u64) > granted {
                    if let Some(entry) = state.calls.get_mut(&call) {
                        entry.sending.waker = Some(task.waker().clone());
                    }
                    return Poll::Pending;
                }
                ready!(state.poll_room(task));
                let Some(next) = self.ready.pop_front() else { return Poll::Ready(true) };
                state.sent(call, next.cost);
                state.out.push(&next.frames);
                if !next.payload.is_empty() {
                    state.out.push(&next.payload);
                }
            }
        })
    }
}

/// Sends the messages of a stream.
pub(super) struct Pump {
    link: Arc<Link>,
    call: u32,
    /// `None` once they have ended.
    messages: Option<Pin<Box<dyn Encode>>>,
    compress: Option<Compress>,
    frames: Frames,
    /// How the messages ended.
    ended: Result<()>,
}

/// How far a [`Pump`] got.
pub(super) enum Pumped {
    /// Everything was sent, and so the messages ended.
    All(Result<()>),
    /// The call is over.
    Over,
}

impl Pump {
    pub(super) fn new(
        link: Arc<Link>,
        call: u32,
        messages: Pin<Box<dyn Encode>>,
        compress: Option<Compress>,
    ) -> Self {
        Self { link, call, messages: Some(messages), compress, frames: Frames::default(), ended: Ok(()) }
    }

    /// One message, which ends what is sent.
    pub(super) fn of_message(
        link: Arc<Link>,
        call: u32,
        message: Bytes,
        compressed: bool,
        last: bool,
    ) -> Self {
        let mut frames = Frames::default();
        frames.message(call, message, compressed, last, link.theirs.piece());
        Self { link, call, messages: None, compress: None, frames, ended: Ok(()) }
    }

    /// Whether the last frame says that nothing follows.
    pub(super) fn says_last(&self) -> bool {
        self.messages.is_none()
    }

    /// Takes in the messages that are ready, up to a batch. `Pending` when there may be more.
    pub(super) fn poll_fill(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        while self.frames.buffered < BATCH && self.frames.ready.is_empty() {
            let Some(messages) = &mut self.messages else { break };
            let piece = self.link.theirs.piece();
            let before = self.frames.buffer.len();
            // A panic of the user's stream is an error of its call.
            let polled = catch_unwind(AssertUnwindSafe(|| {
                self.frames.poll_next(self.call, messages, self.compress, piece, task)
            }));
            match polled {
                Ok(Poll::Pending) => return Poll::Pending,
                Ok(Poll::Ready(Some(Ok(())))) => continue,
                Ok(Poll::Ready(Some(Err(error)))) => self.ended = Err(error),
                Ok(Poll::Ready(None)) => {}
                Err(_) => {
                    // What it had begun to write is no message.
                    self.frames.buffer.truncate(before);
                    self.ended = Err(Error::internal("the request stream panicked"));
                }
            }
            self.messages = None;
        }
        Poll::Ready(())
    }

    /// Whether anything waits to be sent.
    pub(super) fn has_frames(&self) -> bool {
        !self.frames.is_empty()
    }

    /// Whether the messages have ended.
    pub(super) fn has_ended(&self) -> bool {
        self.messages.is_none()
    }

    /// Sends on, and hears of it when the call is over.
    pub(super) fn poll(&mut self, task: &mut TaskContext<'_>) -> Poll<Pumped> {
        loop {
            let filled = self.poll_fill(task);
            if self.has_frames() {
                let alive = ready!(self.frames.poll_send(&self.link, self.call, task));
                if !alive {
                    return Poll::Ready(Pumped::Over);
                }
                if filled.is_ready() {
                    continue;
                }
            }
            if self.has_ended() && !self.has_frames() {
                return Poll::Ready(Pumped::All(std::mem::replace(&mut self.ended, Ok(()))));
            }
            if filled.is_ready() {
                continue;
            }
            let alive = self.link.with(|state| match state.calls.get_mut(&self.call) {
                Some(entry) => {
                    entry.sending.waker = Some(task.waker().clone());
                    true
                }
                None => false,
            });
            return if alive { Poll::Pending } else { Poll::Ready(Pumped::Over) };
        }
    }
}

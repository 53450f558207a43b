//! The task of a connection: it alone reads and writes.
//!
//! All frames that have arrived are handled before anything is written, and all that is to be written goes
//! out together. Where calls have left frames while others may be about to, the task lets them run first:
//! one system call then carries them all. A lone call is not kept waiting for that.

use std::io::{self, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf as _, BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite};
use tokio::time::{Instant, Sleep, sleep_until};

use super::frame::{self, EXTENSIONS, FrameHead, HEAD, Kind};
use super::link::{Link, Locked};
use super::outbox::{Outbox, SLICES};
use super::role::{Payload, Role, credit, go_away, ping};
use super::violation::{Reason, Violation};
use crate::error::Error;

/// The room for what is read, in bytes: at first, and at most as long as no frame is larger.
const LEAST_ROOM: usize = 8 * 1024;
const MOST_ROOM: usize = 256 * 1024;

/// How often the task reads before it writes.
const READS: usize = 4;

/// With how much in the outbox pings are not answered any more, and a side that throttles reads no more, in
/// bytes.
pub(super) const MOST_WAITING: usize = 4 * 1024 * 1024;

/// How long a side that has said its last waits for the other one to close.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection as a task runs it: a future that ends with it.
pub(crate) struct Driver<T, R> {
    io: T,
    pub(super) link: Arc<Link>,
    role: R,
    buffer: BytesMut,
    /// How much is read at once.
    room: usize,
    writing: Outbox,
    /// How much there was to be written, after all was written that could be.
    waiting: usize,
    unflushed: bool,
    /// Whether others had their turn before what they leave is written.
    yielded: bool,
    clock: Pin<Box<Sleep>>,
    /// Whether what was read with the `Hello` is still to be handled.
    fresh: bool,
    /// When anything was last read.
    heard: Instant,
    /// When the other side was asked whether it is there.
    asked: Option<Instant>,
    /// When calls are to be looked at.
    alarm: Option<Instant>,
    phase: Phase,
    woken: Vec<Waker>,
}

impl<T, R> Driver<T, R>
where
    T: AsyncRead + AsyncWrite + Unpin,
    R: Role,
{
    pub(super) fn new(io: T, link: Arc<Link>, role: R, buffer: BytesMut) -> Self {
        let now = Instant::now();
        let first = now + link.bounds.keep_alive_interval;
        Self {
            io,
            link,
            role,
            buffer,
            room: LEAST_ROOM,
            writing: Outbox::default(),
            waiting: 0,
            unflushed: false,
            yielded: false,
            fresh: true,
            clock: Box::pin(sleep_until(first)),
            heard: now,
            asked: None,
            alarm: None,
            phase: Phase::Running,
            woken: Vec::new(),
        }
    }

    /// Says that no new calls are taken, and ends once there are none.
    pub(crate) fn shut_down(&mut self) {
        self.leave(Reason::Done, "");
    }

    fn leave(&mut self, reason: Reason, text: &str) {
        let last = self.role.last();
        self.link.leave();
        self.link.with_own(&mut self.woken, |state| {
            if !state.closing {
                state.closing = true;
                state.go_away(last, reason, text);
            }
        });
    }

    fn wake(&mut self) {
        self.woken.drain(..).for_each(Waker::wake);
    }

    /// Reads what has arrived, up to what there is room for.
    fn poll_read(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<usize>> {
        let wanted = match FrameHead::read(&self.buffer) {
            // All of a frame that has begun.
            Some(head) => (head.length + HEAD).saturating_sub(self.buffer.len()),
            None => 0,
        };
        self.buffer.reserve(self.room.max(wanted));
        let room = self.buffer.capacity() - self.buffer.len();
        let read = ready!(pin!(self.io.read_buf(&mut self.buffer)).poll(task))?;
        if read == room && self.room < MOST_ROOM {
            self.room *= 2;
        }
        Poll::Ready(Ok(read))
    }

    /// Handles the frames that are in the buffer as a whole.
    fn handle(&mut self, task: &mut TaskContext<'_>) -> Result<(), Violation> {
        let Self { link, role, buffer, room, woken, .. } = self;
        let mut at = Locked::new(link, woken);
        while let Some(head) = FrameHead::read(buffer) {
            if head.length > link.ours.max_frame as usize {
                return Err(too_large(head.length, link.ours.max_frame));
            }
            if buffer.len() < HEAD + head.length {
                break;
            }
            buffer.advance(HEAD);
            let before = buffer.len();
            let payload = Payload { buffer, length: head.length, room: *room };
            match head.kind() {
                Some(Kind::Ping) => ping(at.state(), head, payload.bytes())?,
                Some(Kind::Credit) => credit(at.state(), head, payload.bytes())?,
                Some(Kind::GoAway) => go_away(&mut at, role, payload.bytes())?,
                Some(Kind::Hello) => return Err(Violation::of_protocol("a second `Hello`")),
                Some(_) => role.frame(&mut at, head, payload, task)?,
                None if head.kind >= EXTENSIONS => {}
                None => return Err(Violation::of_protocol(format!("a frame of the kind {}", head.kind))),
            }
            // What was not taken over is passed by.
            let taken = before - buffer.len();
            buffer.advance(head.length - taken);
        }
        Ok(())
    }

    /// Writes what there is; ready when there is nothing left.
    fn poll_write(&mut self, task: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.writing.is_empty() {
                self.link.with_own(&mut self.woken, |state| {
                    state.take_out(&mut self.writing);
                    state.disperse();
                });
            }
            if self.writing.is_empty() {
                break;
            }
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = self.writing.slices(&mut slices);
            let io = Pin::new(&mut self.io);
            // The system call for one piece is the cheaper one.
            let written = ready!(match &slices[..count] {
                [slice] => io.poll_write(task, slice),
                slices => io.poll_write_vectored(task, slices),
            })?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.writing.advance(written);
            self.unflushed = true;
        }
        if self.unflushed {
            ready!(Pin::new(&mut self.io).poll_flush(task))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at everything whose time may be up. The clock is set no later than needed, and not set
    /// anew with all that arrives.
    fn look(&mut self, task: &mut TaskContext<'_>) -> Result<(), Ended> {
        loop {
            let quiet = self.quiet_until();
            let next = self.alarm.map_or(quiet, |alarm| alarm.min(quiet));
            if next < self.clock.deadline() {
                self.clock.as_mut().reset(next);
            }
            if self.clock.as_mut().poll(task).is_pending() {
                return Ok(());
            }
            let now = Instant::now();
            if self.alarm.is_some_and(|alarm| alarm <= now) {
                let Self { link, role, woken, alarm, .. } = self;
                *alarm = link.with_own(woken, |state| {
                    state.alarm = role.look(link, state, now);
                    state.alarm
                });
            }
            if quiet <= now {
                self.ask(now)?;
            }
            let quiet = self.quiet_until();
            self.clock.as_mut().reset(self.alarm.map_or(quiet, |alarm| alarm.min(quiet)));
        }
    }

    /// Until when nothing need be done about a silent peer.
    fn quiet_until(&self) -> Instant {
        match self.asked {
            Some(asked) => asked + self.link.bounds.keep_alive_timeout,
            None => self.heard + self.link.bounds.keep_alive_interval,
        }
    }

    /// Asks the other side, which said nothing for long, whether it is there, unless it was asked already.
    fn ask(&mut self, now: Instant) -> Result<(), Ended> {
        if self.asked.is_some() {
            let silence = humantime::format_duration(self.link.bounds.keep_alive_timeout);
            let text = format!("the other side did not answer a ping for {silence}");
            return Err(Ended::Broken(Violation::new(Reason::Silence, text)));
        }
        let always = self.link.bounds.always_asks;
        let asked = self.link.with_own(&mut self.woken, |state| {
            let asks = always || !state.calls.is_empty();
            if asks {
                frame::put(&mut state.out.tail, Kind::Ping, 0, 0, |out| out.put_u64(0));
            }
            asks
        });
        if asked {
            self.asked = Some(now);
        } else {
            self.heard = now;
        }
        Ok(())
    }

    /// Does what can be done now; ready when the connection ends.
    fn poll_turn(&mut self, task: &mut TaskContext<'_>) -> Poll<Ended> {
        let crowded = self.link.with_own(&mut self.woken, |state| {
            state.awake();
            self.alarm = state.alarm;
            !state.out.is_empty() && state.is_busy()
        });
        if crowded && !std::mem::replace(&mut self.yielded, true) {
            // To the end of the queue of tasks, behind the calls that are about to leave something here.
            task.waker().wake_by_ref();
            return Poll::Pending;
        }
        self.yielded = false;
        loop {
            let more = match self.take_in(task) {
                Ok(more) => more,
                Err(ended) => return Poll::Ready(ended),
            };
            if let Err(ended) = self.look(task) {
                return Poll::Ready(ended);
            }
            let written = match self.poll_write(task) {
                Poll::Ready(Err(error)) => return Poll::Ready(Ended::Failed(error)),
                written => written.is_ready(),
            };
            self.wake();
            if more {
                // Who sends without a pause has no more kept for it than others.
                self.waiting =
                    self.writing.len() + self.link.with_own(&mut self.woken, |state| state.out.len());
                continue;
            }
            let Self { link, woken, waiting, writing, alarm, .. } = self;
            let next = link.with_own(woken, |state| {
                let throttled = R::THROTTLES && *waiting > MOST_WAITING;
                *waiting = writing.len() + state.out.len();
                if written && !state.out.is_empty() {
                    return Next::Write;
                }
                if written && state.closing && state.calls.is_empty() {
                    return Next::End;
                }
                // There is room again, and nobody waits for what may be read; or there is an alarm that the
                // clock is not set to, because it came during this turn.
                if throttled && *waiting <= MOST_WAITING || state.alarm != *alarm {
                    *alarm = state.alarm;
                    return Next::Again;
                }
                state.asleep(task);
                Next::Wait
            });
            match next {
                Next::Write | Next::Again => {}
                Next::Wait => return Poll::Pending,
                Next::End => return Poll::Ready(Ended::Well),
            }
        }
    }

    /// Reads and handles what has arrived; whether there may be more.
    fn take_in(&mut self, task: &mut TaskContext<'_>) -> Result<bool, Ended> {
        if R::THROTTLES && self.waiting > MOST_WAITING {
            return Ok(false);
        }
        if std::mem::take(&mut self.fresh) && !self.buffer.is_empty() {
            self.handled(task)?;
        }
        for _ in 0..READS {
            match self.poll_read(task) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(0)) => return Err(Ended::Closed),
                Poll::Ready(Ok(_)) => {
                    self.heard = Instant::now();
                    self.asked = None;
                    self.handled(task)?;
                    if self.role.wants_rest() {
                        // To the end of the queue of tasks, behind the calls that are to end.
                        task.waker().wake_by_ref();
                        return Ok(false);
                    }
                }
                Poll::Ready(Err(error)) => return Err(Ended::Failed(error)),
            }
        }
        Ok(true)
    }

    fn handled(&mut self, task: &mut TaskContext<'_>) -> Result<(), Ended> {
        let handled = self.handle(task);
        self.wake();
        handled.map_err(Ended::Broken)
    }

    /// Ends the calls, and says why where that is not known on the other side.
    fn end(&mut self, ended: Ended) -> Phase {
        let peer = self.link.peer.clone();
        let (error, phase) = match ended {
            Ended::Well => {
                let error = Error::unavailable(format!("the connection to {peer} was closed"));
                (error.never_processed(), Phase::Farewell)
            }
            Ended::Closed => {
                let error = Error::unavailable(format!("{peer} closed the connection"));
                (error, Phase::Over)
            }
            Ended::Failed(error) => {
                let text = format!("the connection to {peer} broke off: {error}");
                (Error::unavailable(text).with_source(error), Phase::Over)
            }
            Ended::Broken(violation) => {
                let silent = violation.reason == Reason::Silence;
                let text = format!("the connection to {peer} was ended: {violation}");
                self.leave(violation.reason, &violation.text);
                let error = if silent { Error::unavailable(text) } else { Error::internal(text) };
                (error, if silent { Phase::Over } else { Phase::Farewell })
            }
        };
        tracing::debug!(%peer, reason = error.message(), "a connection ended");
        let error = Arc::new(error);
        self.link.leave();
        self.link.with_own(&mut self.woken, |state| {
            // What is left is written, in front of what the other side is told.
            if phase == Phase::Farewell {
                state.begun.all_go_out();
            }
            state.fail(error);
        });
        self.wake();
        self.clock.as_mut().reset(Instant::now() + FAREWELL);
        phase
    }

    /// Writes the rest, and waits for the other side to close: a system that closes a connection with
    /// bytes in it that were not read takes back what was written.
    fn poll_farewell(&mut self, task: &mut TaskContext<'_>) -> Poll<()> {
        if self.clock.as_mut().poll(task).is_ready() {
            return Poll::Ready(());
        }
        if ready!(self.poll_write(task)).is_err()
            || ready!(Pin::new(&mut self.io).poll_shutdown(task)).is_err()
        {
            return Poll::Ready(());
        }
        loop {
            self.buffer.clear();
            self.buffer.reserve(LEAST_ROOM);
            match ready!(pin!(self.io.read_buf(&mut self.buffer)).poll(task)) {
                Ok(0) | Err(_) => return Poll::Ready(()),
                Ok(_) => {}
            }
        }
    }
}

/// Why a connection ends.
enum Ended {
    /// It is not needed any more.
    Well,
    /// The other side closed it.
    Closed,
    Failed(io::Error),
    Broken(Violation),
}

/// What a turn ends with.
enum Next {
    Write,
    Again,
    Wait,
    End,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Farewell,
    Over,
}

impl<T, R> Future for Driver<T, R>
where
    T: AsyncRead + AsyncWrite + Unpin,
    R: Role,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<()> {
        let this = self.get_mut();
        if this.phase == Phase::Running {
            let ended = ready!(this.poll_turn(task));
            this.phase = this.end(ended);
        }
        match this.phase {
            Phase::Farewell => this.poll_farewell(task),
            _ => Poll::Ready(()),
        }
    }
}

/// Whoever runs the connection may let go of it.
impl<T, R> Drop for Driver<T, R> {
    fn drop(&mut self) {
        let error = Error::unavailable(format!("the connection to {} was cut off", self.link.peer));
        self.link.leave();
        self.link.with(|state| state.fail(Arc::new(error)));
    }
}

#[cold]
fn too_large(length: usize, most: u32) -> Violation {
    Violation::of_protocol(format!("a frame of {length} bytes, where the most are {most}"))
}

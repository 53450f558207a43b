//! What the task of a connection and its calls share, and what either may do with it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::{BufMut as _, Bytes};
use rustc_hash::{FxHashMap, FxHashSet};
use tokio::time::Instant;

use super::account::Account;
use super::client::Begun;
use super::entry::Entry;
use super::frame::{self, FrameHead, Kind, cost};
use super::link::Link;
use super::outbox::Outbox;
use super::settings::Settings;
use super::violation::{Reason, Violation};
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::protocol::read_limits::ReadLimits;

/// Streams put nothing more into an outbox with this many bytes, until it is written.
const FULL: usize = 512 * 1024;

#[derive(Debug)]
pub(crate) struct State {
    pub(super) out: Outbox,
    pub(super) calls: FxHashMap<u32, Entry>,
    /// What may be sent of all calls.
    pub(super) send_window: u64,
    /// What the other side takes.
    pub(super) theirs: Settings,
    pub(super) account: Account,
    /// The task of the connection, while it waits. While it runs it looks for itself.
    pub(super) driver: Option<Waker>,
    /// The calls that are to be woken once the lock is free.
    pub(super) woken: Vec<Waker>,
    /// The calls that wait until they may begin, by the numbers that they drew.
    pub(super) room: VecDeque<(u64, Waker)>,
    /// The last of these numbers.
    pub(super) drawn: u64,
    /// The streams that wait until the outbox is written.
    pub(super) crowd: Vec<Waker>,
    /// The connection is to end when its calls have.
    pub(super) closing: bool,
    /// Why the connection is over.
    pub(super) ended: Option<Arc<Error>>,
    /// When the first of the calls is to be looked at, whatever happens.
    pub(super) alarm: Option<Instant>,
    /// The calls that a client has begun.
    pub(super) begun: Begun,
    /// The calls of a server that are over, and whose tasks have not ended yet: they have nothing to say.
    pub(super) cut: FxHashSet<u32>,
}

impl State {
    /// The task of the connection begins to look for itself.
    pub(super) fn awake(&mut self) {
        self.driver = None;
    }

    /// The task of the connection is to be woken from now on.
    pub(super) fn asleep(&mut self, task: &TaskContext<'_>) {
        self.driver = Some(task.waker().clone());
    }

    /// Whether something can be done for others first, which may have more to be written.
    pub(super) fn is_busy(&self) -> bool {
        self.calls.len() > 1
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.woken.extend(waker);
    }

    /// Hands over what is to be written.
    pub(super) fn take_out(&mut self, writing: &mut Outbox) {
        std::mem::swap(&mut self.out, writing);
        self.begun.all_go_out();
    }

    /// Wakes those who wait for room in the outbox, which is being written.
    pub(super) fn disperse(&mut self) {
        self.woken.append(&mut self.crowd);
    }

    /// Wakes everybody who waits for a place on the connection.
    pub(super) fn wake_all_waiting(&mut self) {
        self.woken.extend(self.room.drain(..).map(|(_, waker)| waker));
    }

    /// Waits until the outbox has room.
    pub(super) fn poll_room(&mut self, task: &TaskContext<'_>) -> Poll<()> {
        if self.out.len() < FULL {
            return Poll::Ready(());
        }
        self.crowd.push(task.waker().clone());
        Poll::Pending
    }

    /// Waits until there may be one call more. Who waits has a number, and with it keeps its place.
    pub(super) fn wait_for_place(&mut self, number: &mut Option<u64>, task: &TaskContext<'_>) {
        let number = *number.get_or_insert_with(|| {
            self.drawn += 1;
            self.drawn
        });
        let waker = task.waker().clone();
        match self.room.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => self.room[at].1 = waker,
            Err(at) => self.room.insert(at, (number, waker)),
        }
    }

    /// The call with this number waits no longer: it begins, or nobody wants it any more. The place that it
    /// was woken for is for another one then.
    pub(super) fn waits_no_longer(&mut self, number: u64, begins: bool) {
        match self.room.binary_search_by_key(&number, |(number, _)| *number) {
            Ok(at) => drop(self.room.remove(at)),
            Err(_) if begins => {}
            Err(_) => self.wake_next(),
        }
    }

    fn wake_next(&mut self) {
        let next = self.room.pop_front();
        self.woken.extend(next.map(|(_, waker)| waker));
    }

    /// Takes a call out, and lets one that waits begin in its place.
    pub(super) fn remove(&mut self, call: u32) -> Option<Entry> {
        let mut entry = self.calls.remove(&call)?;
        let held = entry.receiving.discard(0, &mut self.account);
        Link::grant(self, call, (0, held));
        self.woken.extend(entry.sending.waker.take());
        self.wake_next();
        Some(entry)
    }

    /// How much may be sent of a call now; `None` where it is over.
    pub(super) fn may_send(&self, call: u32) -> Option<u64> {
        Some(self.calls.get(&call)?.sending.window.min(self.send_window))
    }

    /// The same for a call that may have no entry, since it has just begun.
    pub(super) fn may_send_of(&self, call: u32, theirs: &Settings) -> u64 {
        self.may_send(call).unwrap_or_else(|| self.may_send_first(theirs))
    }

    /// What may be sent of a call that begins now.
    pub(super) fn may_send_first(&self, theirs: &Settings) -> u64 {
        self.send_window.min(theirs.call_window.into())
    }

    /// Notes what messages that are sent count. Those of a call that has no entry are noted of the
    /// connection alone.
    pub(super) fn sent(&mut self, call: u32, cost: usize) {
        self.send_window = self.send_window.saturating_sub(cost as u64);
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.sending.window = entry.sending.window.saturating_sub(cost as u64);
        }
    }

    /// Takes a grant of the other side in.
    pub(super) fn granted(&mut self, call: u32, amount: u64) -> Result<(), Violation> {
        const MOST: u64 = 1 << 32;
        let window = match call {
            0 => Some(&mut self.send_window),
            call => self.calls.get_mut(&call).map(|entry| &mut entry.sending.window),
        };
        let Some(window) = window else { return Ok(()) };
        *window += amount;
        if *window > MOST {
            return Err(Violation::of_flow("a window of over 4 GiB"));
        }
        if call == 0 {
            let waiting = self.calls.values_mut().filter_map(|entry| entry.sending.waker.take());
            self.woken.extend(waiting);
        } else {
            let sender = self.calls.get_mut(&call).and_then(|entry| entry.sending.waker.take());
            self.wake(sender);
        }
        Ok(())
    }

    /// Notes what arrived for nobody, or is read at once.
    pub(super) fn pass(&mut self, cost: usize) -> Result<(), Violation> {
        self.account.arrive(cost)?;
        let grant = self.account.read(cost as u64);
        Link::grant(self, 0, (0, grant));
        Ok(())
    }

    /// Takes a part of a message in.
    pub(super) fn arrived(
        &mut self,
        head: FrameHead,
        bytes: Bytes,
        limits: ReadLimits,
    ) -> Result<Result<()>, Violation> {
        let Some(entry) = self.calls.get_mut(&head.call) else {
            // It crossed the end of the call.
            return self.pass(cost(bytes.len())).map(Ok);
        };
        self.account.arrive(cost(bytes.len()))?;
        match entry.receiving.arrive(head, bytes, &mut self.account, limits)? {
            Ok(grants) => {
                let stream_or_end = entry.receiving.is_due();
                let waker = if stream_or_end { entry.receiving.waker.take() } else { None };
                self.wake(waker);
                Link::grant(self, head.call, grants);
                Ok(Ok(()))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    /// Notes how the other side ended a call, and wakes who reads it.
    pub(super) fn end(&mut self, call: u32, end: Result<Metadata>) {
        let Some(entry) = self.calls.get_mut(&call) else { return };
        // What came first holds.
        entry.receiving.end.get_or_insert(end);
        let wakers = [entry.receiving.waker.take(), entry.sending.waker.take()];
        self.woken.extend(wakers.into_iter().flatten());
    }

    /// Ends a call on this side, and has the other side end it. What is still on the way of it is of no use.
    pub(super) fn break_off(&mut self, call: u32, error: Error) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.receiving.ignore();
        }
        self.end(call, Err(error));
        self.reset(call, Reset::Canceled);
    }

    /// Has the call looked at at this time, or before.
    pub(super) fn set_alarm(&mut self, at: Instant) {
        if self.alarm.is_none_or(|alarm| at < alarm) {
            self.alarm = Some(at);
            // The task of the connection sets its clock.
            let driver = self.driver.take();
            self.wake(driver);
        }
    }

    /// Says that nothing more is taken, and why.
    pub(super) fn go_away(&mut self, last: u32, reason: Reason, text: &str) {
        frame::put(&mut self.out.tail, Kind::GoAway, 0, 0, |out| {
            out.put_u32(last);
            out.put_u8(reason as u8);
            out.put_slice(text.as_bytes());
        });
    }

    /// Breaks a call off.
    pub(super) fn reset(&mut self, call: u32, why: Reset) {
        frame::put(&mut self.out.tail, Kind::Reset, 0, call, |out| out.put_u8(why as u8));
    }

    /// What is open, and how the windows stand.
    #[cfg(test)]
    pub(super) fn balance(&self) -> super::account::Balance {
        let (calls, waiting) = (self.calls.len(), self.room.len());
        super::account::Balance { calls, waiting, may_send: self.send_window, ..self.account.balance() }
    }

    /// Ends everything.
    pub(super) fn fail(&mut self, error: Arc<Error>) {
        if self.ended.is_some() {
            return;
        }
        for (call, entry) in &mut self.calls {
            if let Some(handler) = entry.handler.take() {
                handler.abort();
            }
            if entry.receiving.end.is_none() {
                let error = again(&error);
                let unsent = self.begun.stays(*call);
                entry.receiving.end = Some(Err(if unsent { error.never_processed() } else { error }));
            }
            self.woken.extend(entry.receiving.waker.take());
            self.woken.extend(entry.sending.waker.take());
        }
        self.ended = Some(error);
        self.wake_all_waiting();
        self.disperse();
    }
}

/// Why a call is broken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Reset {
    /// Its caller, or its handler, gave it up.
    Canceled = 0,
    /// The call was surely not processed, and may go to another node.
    Refused = 1,
    /// The other side sent what has no meaning.
    Protocol = 2,
}

/// The error of one call that the end of the connection ended.
#[cold]
pub(super) fn again(error: &Arc<Error>) -> Error {
    let copy = Error::new(error.code(), error.message()).with_source(error.clone());
    if error.was_never_processed() { copy.never_processed() } else { copy }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::protocol::native::bounds::Bounds;
    use crate::protocol::native::frame::HEAD;

    #[test]
    fn what_is_on_its_way_of_a_call_that_was_broken_off_is_passed_by() {
        let settings = Settings::default();
        let bounds = Bounds {
            max_message_size: 100,
            max_buffered: 1000,
            body_timeout: None,
            keep_alive_interval: Duration::MAX,
            keep_alive_timeout: Duration::MAX,
            always_asks: false,
        };
        let link = Link::new(settings, settings, bounds, "peer".into());
        link.with(|state| {
            state.calls.insert(1, Entry::new(true, &settings, &settings));
            state.break_off(1, Error::canceled("the time of the call is up"));
            let mut frame = bytes::BytesMut::new();
            frame::put_head(&mut frame, 5, Kind::Data, 0, 1);
            assert_eq!(frame.len(), HEAD);
            let head = FrameHead::read(&frame).unwrap();
            let taken = state.arrived(head, Bytes::from_static(b"hello"), link.read_limits());
            assert!(taken.is_ok_and(|taken| taken.is_ok()), "it ends the connection");
            assert!(!state.calls[&1].receiving.has_messages());
            let balance = state.balance();
            assert_eq!(balance.left + balance.read, balance.size);
        });
    }
}

//! What the task of a connection and its calls have in common.
//!
//! The task alone reads and writes. Calls leave frames in the outbox and wake it; it leaves what arrives
//! with the calls and wakes them. All of it is behind one lock, which is held for moments, and by the
//! task for all frames that arrived together.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use bytes::BufMut as _;
use rustc_hash::{FxHashMap, FxHashSet};

use super::account::Account;
use super::bounds::Bounds;
use super::client::Begun;
use super::entry::Grants;
use super::frame::{self, Kind};
use super::outbox::Outbox;
use super::settings::Settings;
use super::state::State;
use crate::protocol::read_limits::ReadLimits;

/// A connection.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
    /// Nothing new is to begin on the connection.
    leaving: AtomicBool,
    /// What this side takes.
    pub(super) ours: Settings,
    /// What the other side takes.
    pub(super) theirs: Settings,
    pub(super) bounds: Bounds,
    /// The address of the other side.
    pub(super) peer: Arc<str>,
}

impl Link {
    pub(super) fn new(ours: Settings, theirs: Settings, bounds: Bounds, peer: Arc<str>) -> Self {
        let state = State {
            out: Outbox::default(),
            calls: FxHashMap::default(),
            send_window: theirs.connection_window.into(),
            theirs,
            account: Account::new(ours.connection_window, bounds.max_buffered),
            driver: None,
            woken: Vec::new(),
            room: VecDeque::new(),
            drawn: 0,
            crowd: Vec::new(),
            closing: false,
            ended: None,
            alarm: None,
            begun: Begun::default(),
            cut: FxHashSet::default(),
        };
        Self { state: Mutex::new(state), leaving: AtomicBool::new(false), ours, theirs, bounds, peer }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, and wakes whom that concerns: the calls, and the task of the connection
    /// where there is something for it to write.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state);
        let driver = if state.out.is_empty() { None } else { state.driver.take() };
        let woken = if state.woken.is_empty() { Vec::new() } else { std::mem::take(&mut state.woken) };
        drop(state);
        woken.into_iter().chain(driver).for_each(Waker::wake);
        changed
    }

    /// The same for the task of the connection itself, which need not be woken. The calls that are to be
    /// woken are left in `woken`.
    pub(super) fn with_own<T>(&self, woken: &mut Vec<Waker>, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let changed = change(&mut state);
        if !state.woken.is_empty() {
            woken.append(&mut state.woken);
        }
        changed
    }

    /// Nothing new is to begin on the connection.
    pub(super) fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Acquire)
    }

    /// Wakes the task of the connection.
    pub(super) fn nudge(&self) {
        let driver = self.lock().driver.take();
        driver.into_iter().for_each(Waker::wake);
    }

    /// What this side reads of a message.
    pub(super) fn read_limits(&self) -> ReadLimits {
        ReadLimits { max_message_size: self.bounds.max_message_size, idle: None }
    }

    /// Grants the other side more.
    pub(super) fn grant(state: &mut State, call: u32, (of_call, of_all): Grants) {
        for (call, amount) in [(call, of_call), (0, of_all)] {
            if amount > 0 {
                frame::put(&mut state.out.tail, Kind::Credit, 0, call, |out| {
                    out.put_u32(u32::try_from(amount).unwrap_or(u32::MAX));
                });
            }
        }
    }
}

/// A connection whose task handles what has arrived: its state is locked when it is first needed, and stays
/// so from frame to frame.
pub(crate) struct Locked<'a> {
    pub(super) link: &'a Arc<Link>,
    guard: Option<MutexGuard<'a, State>>,
    woken: &'a mut Vec<Waker>,
}

impl<'a> Locked<'a> {
    /// The calls that are to be woken are left in `woken`.
    pub(super) fn new(link: &'a Arc<Link>, woken: &'a mut Vec<Waker>) -> Self {
        Self { link, guard: None, woken }
    }

    pub(super) fn state(&mut self) -> &mut State {
        self.guard.get_or_insert_with(|| self.link.lock())
    }

    /// Lets others at the state, before something runs that may need it.
    pub(super) fn unlock(&mut self) {
        if let Some(mut state) = self.guard.take() {
            self.woken.append(&mut state.woken);
        }
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.unlock();
    }
}

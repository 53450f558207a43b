//! What a server makes of the frames that arrive.

use std::sync::Arc;
use std::task::{Context as TaskContext, Waker};

use bytes::Bytes;
use tokio::time::Instant;

use super::answer::{self, Call, ensure, put_end};
use super::begin::{Begin, Said};
use super::pace::Run;
use super::route::Route;
use super::{Host, Running};
use crate::endpoint::Inbound;
use crate::error::{Error, Result};
use crate::metadata::{Metadata, NONE};
use crate::protocol::Site;
use crate::protocol::native::driver::{Payload, Role};
use crate::protocol::native::entry::{Entry, Item};
use crate::protocol::native::fields::Fields;
use crate::protocol::native::frame::{COMPRESSED, FrameHead, Kind, LAST, MESSAGE, MORE, cost};
use crate::protocol::native::inbox::{Inbox, Reader};
use crate::protocol::native::link::{Link, Reset, State};
use crate::protocol::native::violation::{Reason, Violation};

/// The role of a server.
pub(crate) struct Server<H> {
    site: Arc<Site>,
    peer: Arc<str>,
    host: H,
    routes: Vec<Route>,
    /// The last call that was begun.
    last: u32,
    /// Whether handlers were ended whose tasks are still there.
    ended: bool,
}

impl<H: Host> Server<H> {
    pub(super) fn new(site: Arc<Site>, peer: Arc<str>, host: H) -> Self {
        Self { site, peer, host, routes: Vec::new(), last: 0, ended: false }
    }

    /// A path and a codec get their number, which is the next one.
    fn route(&mut self, link: &Link, payload: &[u8]) -> Result<(), Violation> {
        let mut fields = Fields(payload);
        let number = fields.number()?;
        if number != self.routes.len() as u64 + 1 || number > u64::from(link.ours.max_routes) {
            return Err(Violation::of_protocol(format!("a route with the number {number}")));
        }
        let route = Route::read(&mut fields, &self.site)?;
        self.routes.push(route);
        Ok(())
    }

    fn open(
        &mut self,
        link: &Arc<Link>,
        head: FrameHead,
        payload: Payload<'_>,
        task: &mut TaskContext<'_>,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        if head.call <= self.last {
            return Err(Violation::of_protocol(format!("a call {} behind {}", head.call, self.last)));
        }
        self.last = head.call;
        let whole = payload.bytes();
        let mut fields = Fields(whole);
        let number = fields.number()?;
        let mut literal = None;
        let route = match number {
            0 => literal.insert(Route::read(&mut fields, &self.site)?),
            number => usize::try_from(number)
                .ok()
                .and_then(|number| self.routes.get_mut(number - 1))
                .ok_or_else(|| Violation::of_protocol(format!("a call on the route {number}, which is not named")))?,
        };
        let said = Said::read(head, &mut fields, link.ours.max_metadata)?;
        let length = fields.0.len();
        let start = whole.len() - length;
        let cost = if head.has(MESSAGE) { cost(length) } else { 0 };
        self.host.called();
        // What the connection says to a call, before its method is looked at.
        let whole_message = head.has(MESSAGE) && !head.has(MORE);
        let at_once =
            route.found.as_ref().map_or(true, |endpoint| whole_message && !endpoint.method.request.stream);
        let admitted = link.with_own(woken, |state| {
            let full = state.leaving || state.calls.len() >= link.ours.max_calls as usize;
            if full || at_once {
                state.pass(cost)?;
            }
            if full {
                state.reset(head.call, Reset::Refused);
            } else if let Err(error) = &route.found {
                put_end(state, head.call, Some(error), &NONE);
            }
            Ok::<_, Violation>(!full)
        })?;
        let begin = match &route.found {
            Ok(endpoint) if admitted => Begin { endpoint: endpoint.clone(), codec: route.codec.clone(), said },
            _ => return Ok(()),
        };
        let how = route.pace.next();
        if at_once {
            if cost > link.ours.call_window as usize {
                return Err(Violation::of_flow("more was sent than the window of a call has room for"));
            }
            let item = Item::new(payload.from(start), head.has(COMPRESSED));
            let number = usize::try_from(number).unwrap_or_default();
            return self.start(link, head.call, begin, item, (how, number), task, woken);
        }
        let message = head.has(MESSAGE).then(|| payload.from(start));
        self.wait(link, head, begin, message, woken)
    }

    /// Runs a call whose message is there: at once and here, as far as it gets, and then in a task.
    fn start(
        &mut self,
        link: &Arc<Link>,
        call: u32,
        begin: Begin,
        item: Item,
        (how, route): (Run, usize),
        task: &mut TaskContext<'_>,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        let request = match item.checked(link.read_limits()) {
            Ok(message) => Inbound::One(message),
            Err(error) => {
                link.with_own(woken, |state| {
                    put_end(state, call, Some(&error), &NONE);
                    state.remove(call);
                });
                return Ok(());
            }
        };
        let mut running: Running = Box::pin(answer::serve(self.call(link, call, begin, request)));
        let ended = how != Run::Apart && running.as_mut().poll(task).is_ready();
        if let Run::Timed(began) = how
            && let Some(route) = self.routes.get_mut(route.wrapping_sub(1))
        {
            route.pace.took(began.elapsed());
        }
        if !ended {
            self.spawn(link, call, running, woken);
        }
        Ok(())
    }

    fn call(&self, link: &Arc<Link>, call: u32, begin: Begin, request: Inbound) -> Call {
        let (link, site, peer) = (link.clone(), self.site.clone(), self.peer.clone());
        Call { link, site, call, begin, peer, request }
    }

    fn spawn(&self, link: &Arc<Link>, call: u32, running: Running, woken: &mut Vec<Waker>) {
        link.with_own(woken, |state| ensure(state, call, link));
        let handler = self.host.spawn(running);
        link.with_own(woken, |state| match state.calls.get_mut(&call) {
            Some(entry) => entry.handler = Some(handler),
            // It has ended already.
            None => {}
        });
    }

    /// Notes a call whose request is a stream, or is not there yet.
    fn wait(
        &mut self,
        link: &Arc<Link>,
        head: FrameHead,
        begin: Begin,
        message: Option<Bytes>,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        let stream = begin.endpoint.method.request.stream;
        let mut entry = Entry::new(stream, &link.theirs, &link.ours);
        if !stream {
            entry.begin = Some(Box::new(begin));
            entry.since = Some(Instant::now());
            link.with_own(woken, |state| {
                state.calls.insert(head.call, entry);
                watch(link, state);
            });
            if message.is_none() && head.has(LAST) {
                self.fail(link, head.call, &no_message(), woken);
                return Ok(());
            }
            return self.first(link, head, message, woken);
        }
        link.with_own(woken, |state| state.calls.insert(head.call, entry));
        self.first(link, head, message, woken)?;
        let messages = Inbox::new(link.clone(), head.call, Requests, link.bounds.max_message_size);
        let request = Inbound::Many(Box::pin(messages));
        let running = Box::pin(answer::serve(self.call(link, head.call, begin, request)));
        self.spawn(link, head.call, running, woken);
        Ok(())
    }

    /// Takes in what came with the beginning of a call that waits for more.
    fn first(
        &mut self,
        link: &Arc<Link>,
        head: FrameHead,
        message: Option<Bytes>,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        match message {
            Some(message) => {
                let arrived = link.with_own(woken, |state| {
                    if head.has(MORE) {
                        watch(link, state);
                    }
                    state.arrived(head, message, link.read_limits())
                })?;
                if let Err(error) = arrived {
                    self.fail(link, head.call, &error, woken);
                }
            }
            None if head.has(LAST) => link.with_own(woken, |state| state.end(head.call, Ok(Metadata::new()))),
            None => {}
        }
        Ok(())
    }

    fn data(
        &mut self,
        link: &Arc<Link>,
        head: FrameHead,
        bytes: Bytes,
        task: &mut TaskContext<'_>,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        if head.call > self.last {
            return Err(Violation::of_protocol("a message of a call that was not begun"));
        }
        let (arrived, whole) = link.with_own(woken, |state| {
            let arrived = state.arrived(head, bytes, link.read_limits())?;
            if arrived.is_ok() && head.has(MORE) {
                watch(link, state);
            }
            let whole = state.calls.get_mut(&head.call).and_then(|entry| {
                let item = entry.begin.as_ref().and_then(|_| entry.receiving.take_message())?;
                entry.receiving.ignore();
                Some((entry.begin.take()?, item))
            });
            Ok::<_, Violation>((arrived, whole))
        })?;
        match (arrived, whole) {
            (Err(error), _) => self.fail(link, head.call, &error, woken),
            (Ok(()), Some((begin, item))) => {
                return self.start(link, head.call, *begin, item, (Run::Here, 0), task, woken);
            }
            (Ok(()), None) => {}
        }
        Ok(())
    }

    /// Ends a call that cannot go on.
    fn fail(&self, link: &Link, call: u32, error: &Error, woken: &mut Vec<Waker>) {
        link.with_own(woken, |state| fail(state, call, error));
    }
}

/// Has the calls looked at when the time for the rest of a message is over.
fn watch(link: &Link, state: &mut State) {
    if let Some(timeout) = link.bounds.body_timeout {
        state.set_alarm(Instant::now() + timeout);
    }
}

fn fail(state: &mut State, call: u32, error: &Error) {
    put_end(state, call, Some(error), &NONE);
    if let Some(handler) = state.remove(call).and_then(|entry| entry.handler) {
        handler.abort();
    }
}

impl<H: Host> Role for Server<H> {
    const THROTTLES: bool = true;

    fn frame(
        &mut self,
        link: &Arc<Link>,
        head: FrameHead,
        payload: Payload<'_>,
        task: &mut TaskContext<'_>,
        woken: &mut Vec<Waker>,
    ) -> Result<(), Violation> {
        match head.kind() {
            Some(Kind::Open) => self.open(link, head, payload, task, woken),
            Some(Kind::Data) => {
                let bytes = payload.from(0);
                self.data(link, head, bytes, task, woken)
            }
            Some(Kind::Route) => self.route(link, payload.bytes()),
            Some(Kind::End) => {
                link.with_own(woken, |state| {
                    state.end(head.call, Ok(Metadata::new()));
                    match state.calls.get(&head.call) {
                        Some(entry) if entry.receiving.is_partial() => fail(state, head.call, &cut_short()),
                        Some(entry) if entry.begin.is_some() => fail(state, head.call, &no_message()),
                        _ => {}
                    }
                });
                Ok(())
            }
            Some(Kind::Reset) => {
                let handler =
                    link.with_own(woken, |state| state.remove(head.call).and_then(|entry| entry.handler));
                if let Some(handler) = handler {
                    handler.abort();
                    self.ended = true;
                }
                Ok(())
            }
            kind => Err(Violation::of_protocol(format!("a client that sends {kind:?}"))),
        }
    }

    /// The client calls nothing more: the connection ends with the calls that are open.
    fn leaves(&mut self, link: &Link, _: u32, reason: Option<Reason>, text: &str, woken: &mut Vec<Waker>) {
        link.with_own(woken, |state| {
            state.leaving = true;
            state.closing = true;
        });
        if reason != Some(Reason::Done) {
            tracing::debug!(peer = %link.peer, ?reason, text, "a client ends the connection");
        }
    }

    /// Looks for messages whose rest does not come.
    fn look(&mut self, link: &Link, state: &mut State, now: Instant) -> Option<Instant> {
        let timeout = link.bounds.body_timeout?;
        let (mut next, mut late): (Option<Instant>, _) = (None, Vec::new());
        for (call, entry) in &state.calls {
            let waits = entry.receiving.waits_since().or(entry.since.filter(|_| entry.begin.is_some()));
            let Some(due) = waits.map(|since| since + timeout) else { continue };
            if due <= now {
                late.push(*call);
            } else {
                next = Some(next.map_or(due, |next| next.min(due)));
            }
        }
        for call in late {
            let silence = humantime::format_duration(timeout);
            let error = Error::deadline_exceeded(format!(
                "no byte of the message's rest arrived for {silence} (the option `body_timeout`)"
            ));
            fail(state, call, &error);
        }
        next
    }

    fn last(&self) -> u32 {
        self.last
    }

    /// Who begins calls and breaks them off without a pause would otherwise have tasks made faster than
    /// they end.
    fn wants_rest(&mut self) -> bool {
        std::mem::take(&mut self.ended)
    }
}

#[cold]
fn cut_short() -> Error {
    Error::invalid_argument("the request ended in the middle of a message")
}

#[cold]
fn no_message() -> Error {
    Error::invalid_argument("the request ended without its message")
}

/// Reads the messages of a caller.
struct Requests;

impl Reader for Requests {
    fn look(&mut self, _: &mut Entry) {}

    fn end(&mut self, _: &mut State, _: u32, end: Result<Metadata>) -> Result<()> {
        end.map(|_| ())
    }

    fn gone(&mut self, _: &mut State, _: u32, _: bool) {}
}

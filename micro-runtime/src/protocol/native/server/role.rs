//! What a server makes of the frames that arrive.

use std::sync::Arc;
use std::task::Context as TaskContext;

use bytes::Bytes;
use tokio::time::Instant;

use super::answer::{self, Call, ensure, put_end};
use super::begin::{Begin, Said};
use super::route::Route;
use super::{Host, Running};
use crate::context::Origin;
use crate::endpoint::{Inbound, Run};
use crate::error::{Error, Result};
use crate::metadata::{Metadata, NONE};
use crate::protocol::Site;
use crate::protocol::native::entry::{Entry, Item};
use crate::protocol::native::fields::Fields;
use crate::protocol::native::frame::{COMPRESSED, FrameHead, Kind, LAST, MESSAGE, MORE, cost};
use crate::protocol::native::inbox::{Inbox, Reader};
use crate::protocol::native::link::{Link, Locked};
use crate::protocol::native::role::{Payload, Role};
use crate::protocol::native::state::{Reset, State};
use crate::protocol::native::violation::{Reason, Violation};

/// The role of a server.
pub(crate) struct Server<H> {
    site: Arc<Site>,
    peer: Arc<Origin>,
    host: H,
    routes: Vec<Route>,
    /// The last call that was begun.
    last: u32,
    /// Whether handlers were ended whose tasks are still there.
    ended: bool,
}

impl<H: Host> Server<H> {
    pub(super) fn new(site: Arc<Site>, peer: Arc<Origin>, host: H) -> Self {
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
        at: &mut Locked<'_>,
        head: FrameHead,
        payload: Payload<'_>,
        task: &mut TaskContext<'_>,
    ) -> Result<(), Violation> {
        if head.call <= self.last {
            return Err(Violation::of_protocol(format!("a call {} behind {}", head.call, self.last)));
        }
        self.last = head.call;
        let ours = &at.link.ours;
        let all = payload.bytes();
        let mut fields = Fields(all);
        let number = usize::try_from(fields.number()?).unwrap_or(usize::MAX);
        let mut literal = None;
        let route = match number {
            0 => &*literal.insert(Route::read(&mut fields, &self.site)?),
            number => self.routes.get(number - 1).ok_or_else(|| {
                Violation::of_protocol(format!("a call on the route {number}, which is not named"))
            })?,
        };
        let said = Said::read(head, &mut fields, ours.max_metadata)?;
        let length = fields.0.len();
        let start = all.len() - length;
        let cost = if head.has(MESSAGE) { cost(length) } else { 0 };
        let whole = head.has(MESSAGE) && !head.has(MORE);
        let at_once = route.found.as_ref().map_or(true, |endpoint| whole && !endpoint.method.request.stream);
        self.host.called();

        let full = at.link.is_leaving() || at.state().calls.len() >= ours.max_calls as usize;
        if full || at_once {
            at.state().pass(cost)?;
        }
        let begin = match &route.found {
            _ if full => {
                at.state().reset(head.call, Reset::Refused);
                return Ok(());
            }
            Err(error) => {
                put_end(at.state(), head.call, Some(error), &NONE);
                return Ok(());
            }
            Ok(endpoint) => Begin { endpoint: endpoint.clone(), codec: route.codec.clone(), said },
        };
        if !at_once {
            let message = head.has(MESSAGE).then(|| payload.from(start));
            return self.wait(at, head, begin, message);
        }
        if cost > ours.call_window as usize {
            return Err(Violation::of_flow("more was sent than the window of a call has room for"));
        }
        let how = route.pace.next();
        let item = Item::new(payload.from(start), head.has(COMPRESSED));
        self.start(at, head.call, begin, item, how, task);
        route.pace.ran(how);
        Ok(())
    }

    /// Runs a call whose message is there: at once and here, as far as it gets, and then in a task.
    fn start(
        &self,
        at: &mut Locked<'_>,
        call: u32,
        begin: Begin,
        item: Item,
        how: Run,
        task: &mut TaskContext<'_>,
    ) {
        let request = match item.checked(at.link.read_limits()) {
            Ok(message) => Inbound::One(message),
            Err(error) => {
                fail(at.state(), call, &error);
                return;
            }
        };
        let mut running: Running = Box::pin(answer::serve(self.call(at.link, call, begin, request)));
        let apart = how == Run::Apart;
        // It is the handler's turn, which may need what is locked.
        at.unlock();
        if apart || running.as_mut().poll(task).is_pending() {
            self.spawn(at, call, running);
        }
    }

    fn call(&self, link: &Arc<Link>, call: u32, begin: Begin, request: Inbound) -> Call {
        let (link, site, peer) = (link.clone(), self.site.clone(), self.peer.clone());
        Call { link, site, call, begin, peer, request }
    }

    fn spawn(&self, at: &mut Locked<'_>, call: u32, running: Running) {
        let link = at.link;
        ensure(at.state(), call, link);
        at.unlock();
        let slot = Slot { link: link.clone(), call };
        let handler = self.host.spawn(Box::pin(async move {
            let _slot = slot;
            running.await;
        }));
        // Unless it has ended already.
        if let Some(entry) = at.state().calls.get_mut(&call) {
            entry.handler = Some(handler);
        }
    }

    /// Notes a call whose request is a stream, or is not there yet.
    fn wait(
        &self,
        at: &mut Locked<'_>,
        head: FrameHead,
        begin: Begin,
        message: Option<Bytes>,
    ) -> Result<(), Violation> {
        let link = at.link;
        let stream = begin.endpoint.method.request.stream;
        let mut entry = Entry::new(stream, &link.theirs, &link.ours);
        if !stream {
            entry.begin = Some(Box::new(begin));
            entry.since = Some(Instant::now());
            at.state().calls.insert(head.call, entry);
            watch(link, at.state());
            if message.is_none() && head.has(LAST) {
                fail(at.state(), head.call, &no_message());
                return Ok(());
            }
            return self.first(at, head, message);
        }
        at.state().calls.insert(head.call, entry);
        self.first(at, head, message)?;
        if !at.state().calls.contains_key(&head.call) {
            // It has failed already.
            return Ok(());
        }
        // What reads the request locks the state when it is dropped.
        at.unlock();
        let messages = Inbox::new(link.clone(), head.call, Requests, link.bounds.max_message_size);
        let request = Inbound::Many(Box::pin(messages));
        let running = Box::pin(answer::serve(self.call(link, head.call, begin, request)));
        self.spawn(at, head.call, running);
        Ok(())
    }

    /// Takes in what came with the beginning of a call that waits for more.
    fn first(&self, at: &mut Locked<'_>, head: FrameHead, message: Option<Bytes>) -> Result<(), Violation> {
        let limits = at.link.read_limits();
        match message {
            Some(message) => {
                if head.has(MORE) {
                    watch(at.link, at.state());
                }
                if let Err(error) = at.state().arrived(head, message, limits)? {
                    fail(at.state(), head.call, &error);
                }
            }
            None if head.has(LAST) => at.state().end(head.call, Ok(Metadata::new())),
            None => {}
        }
        Ok(())
    }

    fn data(
        &self,
        at: &mut Locked<'_>,
        head: FrameHead,
        bytes: Bytes,
        task: &mut TaskContext<'_>,
    ) -> Result<(), Violation> {
        if head.call > self.last {
            return Err(Violation::of_protocol("a message of a call that was not begun"));
        }
        let (link, limits) = (at.link, at.link.read_limits());
        let state = at.state();
        if let Err(error) = state.arrived(head, bytes, limits)? {
            fail(state, head.call, &error);
            return Ok(());
        }
        if head.has(MORE) {
            watch(link, state);
        }
        let Some(entry) = state.calls.get_mut(&head.call) else { return Ok(()) };
        if entry.begin.is_some()
            && let Some(item) = entry.receiving.take_message()
            && let Some(begin) = entry.begin.take()
        {
            entry.receiving.ignore();
            self.start(at, head.call, *begin, item, Run::Here, task);
        }
        Ok(())
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
    cut(state, call);
}

/// Ends what runs a call that is over, which may be about to answer all the same. Whether anything ran.
fn cut(state: &mut State, call: u32) -> bool {
    let Some(handler) = state.remove(call).and_then(|entry| entry.handler) else { return false };
    state.cut.insert(call);
    handler.abort();
    true
}

/// The place of a call that runs in a task. However the task ends, the call is over then.
struct Slot {
    link: Arc<Link>,
    call: u32,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.link.with(|state| {
            state.cut.remove(&self.call);
            state.remove(self.call);
        });
    }
}

impl<H: Host> Role for Server<H> {
    const THROTTLES: bool = true;

    fn frame(
        &mut self,
        at: &mut Locked<'_>,
        head: FrameHead,
        payload: Payload<'_>,
        task: &mut TaskContext<'_>,
    ) -> Result<(), Violation> {
        match head.kind() {
            Some(Kind::Open) => self.open(at, head, payload, task),
            Some(Kind::Data) => self.data(at, head, payload.from(0), task),
            Some(Kind::Route) => self.route(at.link, payload.bytes()),
            Some(Kind::End) => {
                let state = at.state();
                state.end(head.call, Ok(Metadata::new()));
                match state.calls.get(&head.call) {
                    Some(entry) if entry.receiving.is_partial() => fail(state, head.call, &cut_short()),
                    Some(entry) if entry.begin.is_some() => fail(state, head.call, &no_message()),
                    _ => {}
                }
                Ok(())
            }
            Some(Kind::Reset) => {
                self.ended |= cut(at.state(), head.call);
                Ok(())
            }
            kind => Err(Violation::of_protocol(format!("a client that sends {kind:?}"))),
        }
    }

    /// The client calls nothing more: the connection ends with the calls that are open.
    fn leaves(&mut self, at: &mut Locked<'_>, _: u32, reason: Option<Reason>, text: &str) {
        at.link.leave();
        at.state().closing = true;
        if reason != Some(Reason::Done) {
            tracing::debug!(peer = %at.link.peer, ?reason, text, "a client ends the connection");
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

//! What a client makes of the frames that arrive.

use std::task::Context as TaskContext;

use bytes::Bytes;
use tokio::time::Instant;

use crate::error::Error;
use crate::metadata::Metadata;
use crate::protocol::native::fields::Fields;
use crate::protocol::native::frame::{FAILED, FrameHead, Kind, METADATA};
use crate::protocol::native::link::{Link, Locked};
use crate::protocol::native::role::{Payload, Role};
use crate::protocol::native::state::{Reset, State};
use crate::protocol::native::violation::{Reason, Violation};
use crate::protocol::read_limits::ReadLimits;

/// The role of a client.
pub(super) struct Client;

impl Role for Client {
    const THROTTLES: bool = false;

    fn frame(
        &mut self,
        at: &mut Locked<'_>,
        head: FrameHead,
        payload: Payload<'_>,
        _task: &mut TaskContext<'_>,
    ) -> Result<(), Violation> {
        let limits = at.link.read_limits();
        match head.kind() {
            Some(Kind::Data) => data(at.state(), head, payload.from(0), limits),
            Some(Kind::Head) => {
                let headers = Fields(payload.bytes()).metadata(at.link.ours.max_metadata)?;
                let state = at.state();
                if let Some(entry) = state.calls.get_mut(&head.call) {
                    entry.receiving.headers = Some(headers);
                    let waker = if entry.receiving.is_due() { entry.receiving.waker.take() } else { None };
                    state.wake(waker);
                }
                Ok(())
            }
            Some(Kind::End) => {
                let most = at.link.ours.max_metadata;
                end(at.state(), head, payload.bytes(), most)
            }
            Some(Kind::Reset) => {
                let error = broken_off(payload.bytes().first().copied(), &at.link.peer);
                at.state().end(head.call, Err(error));
                Ok(())
            }
            kind => Err(Violation::of_protocol(format!("a server that sends {kind:?}"))),
        }
    }

    fn leaves(&mut self, at: &mut Locked<'_>, last: u32, reason: Option<Reason>, text: &str) {
        let link = at.link;
        link.leave();
        let state = at.state();
        state.closing = true;
        state.wake_all_waiting();
        let unseen: Vec<_> = state.calls.keys().copied().filter(|call| *call > last).collect();
        for call in unseen {
            let why = if text.is_empty() { "it takes no new calls" } else { text };
            let error = Error::unavailable(format!("{} did not take the call: {why}", link.peer));
            state.end(call, Err(error.never_processed()));
        }
        if reason != Some(Reason::Done) {
            tracing::debug!(peer = %link.peer, ?reason, text, "a server ends the connection");
        }
    }

    fn look(&mut self, _: &Link, state: &mut State, now: Instant) -> Option<Instant> {
        let mut next: Option<Instant> = None;
        let mut late = Vec::new();
        for (call, entry) in &state.calls {
            match entry.deadline {
                // It is over, and its reader has not looked yet.
                _ if entry.receiving.end.is_some() => {}
                Some(deadline) if deadline <= now => late.push(*call),
                Some(deadline) => next = Some(next.map_or(deadline, |next| next.min(deadline))),
                None => {}
            }
        }
        for call in late {
            // Who waits looks at its own clock and says it in its own words.
            state.break_off(call, Error::canceled("the time of the call is up"));
        }
        next
    }

    fn last(&self) -> u32 {
        0
    }
}

fn data(state: &mut State, head: FrameHead, bytes: Bytes, limits: ReadLimits) -> Result<(), Violation> {
    if let Err(error) = state.arrived(head, bytes, limits)? {
        state.break_off(head.call, error);
    }
    Ok(())
}

/// How the server ended a call.
fn end(state: &mut State, head: FrameHead, payload: &[u8], most: u32) -> Result<(), Violation> {
    let mut fields = Fields(payload);
    let error = if head.has(FAILED) { Some(fields.error()?) } else { None };
    let trailers = if head.has(METADATA) { fields.metadata(most)? } else { Metadata::new() };
    let Some(entry) = state.calls.get(&head.call) else { return Ok(()) };
    let end = match (error, entry.method) {
        (Some(error), Some(method)) => {
            let mut error = error.with_origin(method.service, method.name);
            error.metadata_mut().extend(trailers);
            Err(error)
        }
        (Some(error), None) => Err(error),
        (None, _) if entry.receiving.is_partial() => {
            Err(Error::internal("the answer ended in the middle of a message"))
        }
        (None, _) => Ok(trailers),
    };
    state.end(head.call, end);
    Ok(())
}

#[cold]
fn broken_off(why: Option<u8>, peer: &str) -> Error {
    match why {
        Some(why) if why == Reset::Refused as u8 => {
            Error::unavailable(format!("{peer} did not take the call")).never_processed()
        }
        Some(why) if why == Reset::Protocol as u8 => {
            Error::internal(format!("{peer} could not read the call"))
        }
        _ => Error::canceled("the other side broke the call off"),
    }
}

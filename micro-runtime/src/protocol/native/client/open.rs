//! How a call begins.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use rustc_hash::FxHashMap;

use crate::codec::Codec;
use crate::endpoint::{Encode, Outbound};
use crate::error::{Error, Result};
use crate::metadata::Metadata;
use crate::protocol::Outgoing;
use crate::protocol::compressing::{self, Compress};
use crate::protocol::native::entry::Entry;
use crate::protocol::native::fields::{put_bytes, put_metadata, put_number};
use crate::protocol::native::frame::{
    self, ANSWER_COMPRESSION, COMPRESSED, Kind, LAST, MESSAGE, METADATA, TIMEOUT,
};
use crate::protocol::native::link::{Link, Reset, State, again};
use crate::protocol::native::pump::{Pump, Pumped};
use crate::protocol::native::settings::number_of;

/// The route that has no number: its path and its codec stand in the frame.
const LITERAL: u64 = 0;

/// What a call sends.
pub(super) enum Opening {
    One { message: Bytes, compressed: bool },
    Many { messages: Pin<Box<dyn Encode>>, compress: Option<Compress> },
}

impl Opening {
    pub(super) fn new(outgoing: &mut Outgoing) -> Result<Self> {
        let compress = outgoing.compression.map(|compression| Compress { compression, from: 0 });
        match outgoing.take_body() {
            Outbound::Many(messages) => Ok(Self::Many { messages, compress }),
            body @ Outbound::Carried(_) => Ok(Self::Many { messages: body.into_messages(), compress }),
            Outbound::One(message) => {
                let (message, compression) = compressing::message(compress, message)?;
                let Some(compression) = compression else { return Ok(Self::One { message, compressed: false }) };
                let mut bytes = BytesMut::with_capacity(1 + message.len());
                bytes.put_u8(number_of(compression));
                bytes.put_slice(&message);
                Ok(Self::One { message: bytes.freeze(), compressed: true })
            }
        }
    }
}

/// The calls that a connection has begun.
#[derive(Debug, Default)]
pub(in crate::protocol::native) struct Begun {
    /// The last of them.
    last: u32,
    /// The numbers of routes, by the place of the method.
    routes: FxHashMap<usize, Vec<(Codec, u32)>>,
    named: u32,
}

impl Begun {
    /// The number of a route, which is named on the way if it was not, or none where there are too many.
    fn route(&mut self, outgoing: &Outgoing, most: u32, out: &mut BytesMut) -> u64 {
        let known = self.routes.entry(std::ptr::from_ref(outgoing.method).addr()).or_default();
        if let Some((_, number)) = known.iter().find(|(codec, _)| *codec == outgoing.codec) {
            return u64::from(*number);
        }
        if self.named >= most {
            return LITERAL;
        }
        self.named += 1;
        known.push((outgoing.codec.clone(), self.named));
        frame::put(out, Kind::Route, 0, 0, |out| {
            put_number(out, u64::from(self.named));
            put_route(out, outgoing);
        });
        u64::from(self.named)
    }
}

fn put_route(out: &mut BytesMut, outgoing: &Outgoing) {
    put_bytes(out, outgoing.method.path.as_bytes());
    put_bytes(out, outgoing.codec.name().as_bytes());
}

/// Begins the call once there is a place for it. What is not sent with that is left in `opening`.
pub(super) fn poll_open(
    link: &Link,
    outgoing: &mut Outgoing,
    opening: &mut Option<Opening>,
    task: &TaskContext<'_>,
) -> Poll<Result<u32>> {
    let metadata = size_of(&outgoing.metadata);
    if metadata > link.theirs.max_metadata as usize {
        return Poll::Ready(Err(too_much(metadata, link.theirs.max_metadata)));
    }
    link.with(|state| {
        if let Some(refused) = refused(state) {
            return Poll::Ready(Err(refused));
        }
        if state.calls.len() >= link.theirs.max_calls as usize {
            state.wait_for_place(task);
            return Poll::Pending;
        }
        let State { begun, out, .. } = &mut *state;
        begun.last += 1;
        let call = begun.last;
        let route = begun.route(outgoing, link.theirs.max_routes, &mut out.tail);
        let mut entry = Entry::new(outgoing.method.response.stream, &link.theirs, &link.ours);
        entry.method = Some(outgoing.method);
        entry.deadline = outgoing.deadline;
        if !outgoing.method.response.stream {
            entry.receiving.waker = Some(task.waker().clone());
        }
        let message = first(state.may_send_first(&link.theirs), link.theirs.piece(), opening);
        put_open(state, call, route, outgoing, message.as_ref());
        state.calls.insert(call, entry);
        if let Some((message, _)) = message {
            state.sent(call, message.len());
            state.out.push(message);
        }
        if let Some(deadline) = outgoing.deadline {
            state.set_alarm(deadline);
        }
        // The numbers of calls are used up.
        state.leaving |= call == u32::MAX;
        Poll::Ready(Ok(call))
    })
}

/// The message that is sent with the call itself, if there is one and it is granted.
fn first(granted: u64, piece: usize, opening: &mut Option<Opening>) -> Option<(Bytes, bool)> {
    let most = granted.min(piece as u64);
    match opening.take() {
        Some(Opening::One { message, compressed }) if message.len() as u64 <= most => Some((message, compressed)),
        other => {
            *opening = other;
            None
        }
    }
}

/// Appends the frame that begins a call. The message itself is appended behind it.
fn put_open(state: &mut State, call: u32, route: u64, outgoing: &Outgoing, message: Option<&(Bytes, bool)>) {
    let out = &mut state.out.tail;
    let start = out.len();
    frame::put_head(out, 0, Kind::Open, 0, call);
    let mut flags = 0;
    put_number(out, route);
    if route == LITERAL {
        put_route(out, outgoing);
    }
    if let Some(remaining) = outgoing.remaining() {
        flags |= TIMEOUT;
        put_number(out, micros(remaining));
    }
    if !outgoing.metadata.is_empty() {
        flags |= METADATA;
        put_metadata(out, &outgoing.metadata);
    }
    if let Some(compression) = outgoing.compression {
        flags |= ANSWER_COMPRESSION;
        out.put_u8(number_of(compression));
    }
    let length = message.map_or(0, |(message, compressed)| {
        flags |= MESSAGE | LAST | if *compressed { COMPRESSED } else { 0 };
        message.len()
    });
    frame::patch(out, start, flags, length);
}

/// A deadline that is over is one that is over at once, and not none.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// How much metadata counts for its limit, which is what it is on the wire at the most.
fn size_of(metadata: &Metadata) -> usize {
    metadata.iter().map(|(name, value)| name.len() + value.len() + 8).sum()
}

/// Why no call can begin.
fn refused(state: &State) -> Option<Error> {
    if let Some(error) = &state.ended {
        return Some(again(error).never_processed());
    }
    state.leaving.then(|| Error::unavailable("the connection takes no new calls").never_processed())
}

#[cold]
fn too_much(size: usize, most: u32) -> Error {
    Error::resource_exhausted(format!(
        "the metadata of the call has {size} bytes, and the service takes {most} (its option `max_header_size`): \
         send it in the message"
    ))
}

/// Sends what was not sent with the beginning of the call, in a task of its own.
pub(super) fn send_rest(link: Arc<Link>, call: u32, opening: Opening) {
    let mut pump = match opening {
        Opening::One { message, compressed } => Pump::of_message(link.clone(), call, message, compressed, true),
        Opening::Many { messages, compress } => Pump::new(link.clone(), call, messages, compress),
    };
    tokio::spawn(async move {
        let says_last = pump.says_last();
        match std::future::poll_fn(|task| pump.poll(task)).await {
            Pumped::Over => {}
            Pumped::All(Ok(())) if says_last => {}
            Pumped::All(Ok(())) => link.with(|state| {
                if state.calls.contains_key(&call) {
                    frame::put_head(&mut state.out.tail, 0, Kind::End, 0, call);
                }
            }),
            Pumped::All(Err(error)) => link.with(|state| {
                if state.calls.contains_key(&call) {
                    state.reset(call, Reset::Canceled);
                    state.end(call, Err(error.maybe_processed()));
                }
            }),
        }
    });
}

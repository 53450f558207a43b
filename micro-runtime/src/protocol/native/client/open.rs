//! How a call begins.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use bytes::{BufMut as _, Bytes, BytesMut};
use rustc_hash::FxHashMap;
use tokio::time::Instant;

use crate::codec::Codec;
use crate::endpoint::{Encode, Outbound};
use crate::error::{Error, Result};
use crate::protocol::Outgoing;
use crate::protocol::compressing::{self, Compress};
use crate::protocol::native::entry::Entry;
use crate::protocol::native::fields::{put_bytes, put_metadata, put_number, size_of};
use crate::protocol::native::frame::{
    self, ANSWER_COMPRESSION, COMPRESSED, Kind, LAST, MESSAGE, METADATA, TIMEOUT, cost, within,
};
use crate::protocol::native::link::Link;
use crate::protocol::native::pump::{Pump, Pumped};
use crate::protocol::native::settings::{MAX_CODEC, MAX_PATH, marked, number_of};
use crate::protocol::native::state::{State, again};

/// The route that has no number: its path and its codec stand in the frame.
const LITERAL: u64 = 0;

/// What the numbers of a frame that begins a call take at the most, in bytes.
const LARGEST_NUMBERS: usize = 64;

/// What a call sends, as far as it is not sent.
pub(super) enum Opening {
    /// The one message, as it is in the call.
    Message,
    /// The one message, compressed.
    Compressed(Bytes),
    Stream {
        messages: Pin<Box<dyn Encode>>,
        compress: Option<Compress>,
    },
    /// Nothing is left.
    Sent,
}

impl Opening {
    pub(super) fn new(outgoing: &mut Outgoing) -> Result<Self> {
        let compress = outgoing.compression.map(|compression| Compress { compression, from: 0 });
        match (&outgoing.body, compress) {
            (Outbound::Many(_) | Outbound::Carried(_), compress) => {
                Ok(Self::Stream { messages: outgoing.take_body().into_messages(), compress })
            }
            (Outbound::One(_), None) => Ok(Self::Message),
            (Outbound::One(message), compress) => {
                let (message, compression) = compressing::message(compress, message.clone())?;
                Ok(compression
                    .map_or(Self::Message, |compression| Self::Compressed(marked(compression, &message))))
            }
        }
    }

    /// The message that can be sent with the call itself, where it is granted, and whether it is compressed.
    fn message<'a>(&'a self, outgoing: &'a Outgoing, granted: usize) -> Option<(&'a Bytes, bool)> {
        let message = match (self, &outgoing.body) {
            (Self::Message, Outbound::One(message)) => (message, false),
            (Self::Compressed(message), _) => (message, true),
            _ => return None,
        };
        (message.0.len() <= granted).then_some(message)
    }
}

/// The calls that a connection has begun.
#[derive(Debug, Default)]
pub(in crate::protocol::native) struct Begun {
    /// The last of them.
    last: u32,
    /// The last of those that were written, or are being written.
    out: u32,
    /// The numbers of routes, by the place of the method.
    routes: FxHashMap<usize, Vec<(Codec, u32)>>,
    named: u32,
}

impl Begun {
    /// How many calls there were.
    pub(super) fn count(&self) -> u32 {
        self.last
    }

    /// Notes that what was begun is being written.
    pub(in crate::protocol::native) fn all_go_out(&mut self) {
        self.out = self.last;
    }

    /// Whether nothing of a call that was begun has been written.
    pub(in crate::protocol::native) fn stays(&self, call: u32) -> bool {
        call > self.out && call <= self.last
    }

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

/// The place of a call among those that wait until they may begin.
pub(super) struct Place<'a> {
    link: &'a Link,
    number: Option<u64>,
}

impl<'a> Place<'a> {
    pub(super) fn new(link: &'a Link) -> Self {
        Self { link, number: None }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.link.with(|state| state.waits_no_longer(number, false));
        }
    }
}

/// Begins the call once there is a place for it. What is not sent with that is left in `opening`.
pub(super) fn poll_open(
    link: &Link,
    outgoing: &mut Outgoing,
    opening: &mut Opening,
    place: &mut Place<'_>,
    now: Instant,
    task: &TaskContext<'_>,
) -> Poll<Result<u32>> {
    let metadata = size_of(&outgoing.metadata);
    if metadata > link.theirs.max_metadata as usize {
        return Poll::Ready(Err(too_much(metadata, link.theirs.max_metadata)));
    }
    if outgoing.method.path.len() > MAX_PATH || outgoing.codec.name().len() > MAX_CODEC {
        return Poll::Ready(Err(too_long()));
    }
    // A message that does not fit into the frame with all the rest follows in one of its own.
    let fields = metadata + outgoing.method.path.len() + outgoing.codec.name().len() + LARGEST_NUMBERS;
    let room = link.theirs.piece().min((link.theirs.max_frame as usize).saturating_sub(fields));
    link.with(|state| {
        if let Some(refused) = refused(link, state) {
            return Poll::Ready(Err(refused));
        }
        if state.calls.len() >= link.theirs.max_calls as usize {
            state.wait_for_place(&mut place.number, task);
            return Poll::Pending;
        }
        let mut now = now;
        if let Some(number) = place.number.take() {
            state.waits_no_longer(number, true);
            now = Instant::now();
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
        let granted = within(state.may_send_first(&link.theirs));
        let message = granted.and_then(|granted| opening.message(outgoing, granted.min(room)));
        put_open(state, call, route, outgoing, now, message);
        state.calls.insert(call, entry);
        if let Some((message, _)) = message {
            state.sent(call, cost(message.len()));
            state.out.push(message);
            *opening = Opening::Sent;
        }
        if let Some(deadline) = outgoing.deadline {
            state.set_alarm(deadline);
        }
        // The numbers of calls are used up.
        if call == u32::MAX {
            link.leave();
        }
        Poll::Ready(Ok(call))
    })
}

/// Appends the frame that begins a call. The message itself is appended behind it.
fn put_open(
    state: &mut State,
    call: u32,
    route: u64,
    outgoing: &Outgoing,
    now: Instant,
    message: Option<(&Bytes, bool)>,
) {
    let out = &mut state.out.tail;
    let start = out.len();
    frame::put_head(out, 0, Kind::Open, 0, call);
    let mut flags = 0;
    put_number(out, route);
    if route == LITERAL {
        put_route(out, outgoing);
    }
    if let Some(deadline) = outgoing.deadline {
        flags |= TIMEOUT;
        put_number(out, micros(deadline.saturating_duration_since(now)));
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
        flags |= MESSAGE | LAST | if compressed { COMPRESSED } else { 0 };
        message.len()
    });
    frame::patch(out, start, flags, length);
}

/// A deadline that is over is one that is over at once, and not none.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Why no call can begin.
fn refused(link: &Link, state: &State) -> Option<Error> {
    if let Some(error) = &state.ended {
        return Some(again(error).never_processed());
    }
    link.is_leaving().then(|| Error::unavailable("the connection takes no new calls").never_processed())
}

#[cold]
fn too_long() -> Error {
    Error::invalid_argument(format!(
        "a path on the native wire has at most {MAX_PATH} bytes, and the name of a codec {MAX_CODEC} \
         (`MICRO_PROTOCOL=connect` has no such limit)"
    ))
}

#[cold]
fn too_much(size: usize, most: u32) -> Error {
    Error::resource_exhausted(format!(
        "the metadata of the call has {size} bytes, and the service takes {most} (its option `max_header_size`): \
         send it in the message"
    ))
}

/// Sends what was not sent with the beginning of the call, in a task of its own.
pub(super) fn send_rest(link: Arc<Link>, call: u32, opening: Opening, outgoing: &Outgoing) {
    let mut pump = match (opening, &outgoing.body) {
        (Opening::Message, Outbound::One(message)) => {
            Pump::of_message(link.clone(), call, message.clone(), false, true)
        }
        (Opening::Compressed(message), _) => Pump::of_message(link.clone(), call, message, true, true),
        (Opening::Stream { messages, compress }, _) => Pump::new(link.clone(), call, messages, compress),
        (Opening::Message | Opening::Sent, _) => return,
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
                    state.break_off(call, error.maybe_processed());
                }
            }),
        }
    });
}

//! The client half: one call on one connection.

mod answer;
mod open;
mod role;
mod stream;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;
use futures_util::FutureExt as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::Instant;

use super::bounds::Bounds;
use super::driver::Driver;
use super::frame::{FrameHead, HEAD, Kind};
use super::link::Link;
use super::settings::{PREFACE, Settings, VERSIONS, put_hello, read_hello};
use super::state::Reset;
use super::violation::Reason;
use crate::error::{Error, Result};
use crate::protocol::{Answer, Outgoing};
pub(super) use open::Begun;
use open::Opening;
use role::Client;

/// The largest `Hello` that is read, in bytes.
const LARGEST_HELLO: usize = 4096;

/// Why there is no connection.
#[derive(Debug)]
pub(crate) struct NotOpened {
    pub(crate) error: Error,
    /// Whether the other side speaks the native wire, as far as is known.
    pub(crate) speaks: bool,
}

/// A connection as calls have it. It is told to end when the last clone is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Connection(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    link: Arc<Link>,
    /// How many of the calls on it are streams, one way or both.
    streams: AtomicUsize,
}

/// Opens a connection: the preface and the settings of both sides. What is returned beside it is its
/// task.
pub(crate) async fn open<T>(
    mut io: T,
    settings: Settings,
    bounds: Bounds,
    peer: Arc<str>,
) -> Result<(Connection, impl Future<Output = ()> + Send), NotOpened>
where
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut out = BytesMut::new();
    put_hello(&mut out, VERSIONS, &settings);
    let broken = |error: std::io::Error| {
        let text = format!("the connection to {peer} broke off as it began: {error}");
        NotOpened { error: Error::unavailable(text).with_source(error).never_processed(), speaks: true }
    };
    io.write_all(&out).await.map_err(broken)?;
    io.flush().await.map_err(broken)?;
    let mut buffer = BytesMut::new();
    let theirs = loop {
        if buffer.len() >= PREFACE.len() && !buffer.starts_with(PREFACE)
            || !PREFACE.starts_with(first(&buffer))
        {
            return Err(not_spoken(&peer));
        }
        if let Some(head) = buffer.get(PREFACE.len()..).and_then(FrameHead::read) {
            let whole = PREFACE.len() + HEAD + head.length;
            if head.length > LARGEST_HELLO {
                return Err(not_spoken(&peer));
            }
            if buffer.len() >= whole {
                let payload = buffer.split_to(whole).split_off(PREFACE.len() + HEAD);
                break hello(head, &payload, &peer)?;
            }
        }
        if io.read_buf(&mut buffer).await.map_err(broken)? == 0 {
            return Err(not_spoken(&peer));
        }
    };
    let link = Arc::new(Link::new(settings, theirs, bounds, peer));
    let driver = Driver::new(io, link.clone(), Client, buffer);
    Ok((Connection(Arc::new(Handle { link, streams: AtomicUsize::new(0) })), driver))
}

fn first(buffer: &[u8]) -> &[u8] {
    &buffer[..buffer.len().min(PREFACE.len())]
}

/// What the server says first: its settings, or why there is no connection.
fn hello(head: FrameHead, payload: &[u8], peer: &str) -> Result<Settings, NotOpened> {
    let broke = |text: &dyn std::fmt::Display| {
        let error = Error::unavailable(format!("cannot connect to {peer}: {text}"));
        NotOpened { error: error.never_processed(), speaks: true }
    };
    match head.kind() {
        Some(Kind::Hello) => {
            let (versions, settings) = read_hello(payload).map_err(|violation| broke(&violation))?;
            match versions.as_slice() {
                [version] if VERSIONS.contains(version) => Ok(settings),
                other => {
                    let text = format!(
                        "it speaks the versions {other:?} of the native wire, and this side {VERSIONS:?}"
                    );
                    Err(NotOpened { speaks: false, ..broke(&text) })
                }
            }
        }
        Some(Kind::GoAway) => {
            let text = String::from_utf8_lossy(payload.get(5..).unwrap_or_default());
            let reason = payload.get(4).copied().and_then(Reason::of);
            // They are what HTTP is for.
            let not_spoken = matches!(reason, Some(Reason::NotHere | Reason::Version));
            Err(NotOpened { speaks: !not_spoken, ..broke(&text) })
        }
        _ => Err(not_spoken(peer)),
    }
}

#[cold]
fn not_spoken(peer: &str) -> NotOpened {
    let error = Error::unavailable(format!(
        "{peer} does not speak the native wire: is there a proxy for HTTP in front of it, or does it have layers? \
         (the option `protocol` of the client, `MICRO_PROTOCOL=connect`)"
    ));
    NotOpened { error: error.never_processed(), speaks: false }
}

impl Connection {
    pub(super) fn link(&self) -> &Arc<Link> {
        &self.0.link
    }

    /// How many calls have it, about: each holds it, and so does whoever asks.
    pub(crate) fn calls(&self) -> usize {
        Arc::strong_count(&self.0) - 1
    }

    /// Whether the server takes one more call, about.
    pub(crate) fn has_room(&self) -> bool {
        self.calls() < self.link().theirs.max_calls as usize
    }

    /// How many of these are streams.
    pub(crate) fn streams(&self) -> usize {
        self.0.streams.load(Ordering::Relaxed)
    }

    /// How many calls there ever were on it.
    pub(crate) fn begun(&self) -> u32 {
        self.link().with(|state| state.begun.count())
    }

    /// Whether no new calls can be made on it.
    pub(crate) fn is_closed(&self) -> bool {
        self.link().is_leaving()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.link.with(|state| {
            state.closing = true;
        });
        self.link.leave();
        self.link.nudge();
    }
}

/// Makes one call. `began` hears when it is on its way, and the connection sees to its deadline from then on.
pub(crate) async fn call(
    connection: Connection,
    outgoing: &mut Outgoing,
    now: Instant,
    began: impl Fn() + Send,
) -> Result<Answer> {
    let link = connection.link();
    let (method, max_message_size) = (outgoing.method, outgoing.max_message_size);
    let mut opening = Opening::new(outgoing)?;
    let call = {
        let mut place = open::Place::new(link);
        poll_fn(|task| open::poll_open(link, outgoing, &mut opening, &mut place, now, task)).await?
    };
    began();
    let open = Open::new(connection, call, !method.is_unary());
    if !matches!(opening, Opening::Sent) {
        open::send_rest(open.link().clone(), call, opening, outgoing);
    }
    if method.response.stream {
        return stream::answer(open, method, max_message_size).boxed().await;
    }
    answer::one(open, max_message_size).await
}

/// A call that is open, and is broken off when it is dropped before it was over.
struct Open {
    connection: Connection,
    call: u32,
    /// Whether there are messages without end, one way or both.
    stream: bool,
    over: bool,
}

impl Open {
    fn new(connection: Connection, call: u32, stream: bool) -> Self {
        if stream {
            connection.0.streams.fetch_add(1, Ordering::Relaxed);
        }
        Self { connection, call, stream, over: false }
    }

    fn link(&self) -> &Arc<Link> {
        self.connection.link()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if self.stream {
            self.connection.0.streams.fetch_sub(1, Ordering::Relaxed);
        }
        if !self.over {
            self.link().with(|state| {
                if state.remove(self.call).is_some_and(|entry| entry.receiving.end.is_none()) {
                    state.reset(self.call, Reset::Canceled);
                }
            });
        }
    }
}

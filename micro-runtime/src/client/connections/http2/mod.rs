//! HTTP/2: connections that calls share.

mod driver;
mod trouble;

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context as TaskContext, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared as SharedFuture};
use h2::SendStream;
use h2::client::{Builder, ResponseFuture, SendRequest};
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use http_body::Body as _;
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::STREAM;
use super::answer::AnswerBody;
use super::home::Home;
use super::open::{self, Offer};
use super::peer::Peer;
use super::tally::{Tally, Wire};
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::http2::{CLIENT_WINDOW, Corked, FRAME, Received, STREAM_WINDOW, Sending, strip};
use crate::protocol::read_limits::broken_off;
use crate::transport::BoxIo;

/// How many calls are sent before a server said how many it takes, which RFC 9113 (section 6.5.2) asks of
/// every server.
const AT_FIRST: usize = 100;

/// What waits for a connection. It goes on in a task of its own, whatever becomes of the calls that
/// need it.
pub(super) type Connecting = SharedFuture<BoxFuture<'static, Attempt>>;

/// How connecting ended, for all who waited; `None` is a server that chose HTTP/1.1.
pub(super) type Attempt = Result<Option<Shared>, Arc<Error>>;

/// A connection, which clones share.
#[derive(Clone)]
pub(in crate::client) struct Shared {
    line: Arc<Line>,
    reused: bool,
}

/// A connection, kept for as long as calls may be made on it.
struct Line {
    sender: SendRequest<Bytes>,
    peer: Arc<Peer>,
    state: Arc<State>,
}

/// What is known of a connection.
struct State {
    /// Whether it takes no more calls.
    closed: AtomicBool,
    /// The calls on it, those included that are about to be sent.
    in_flight: AtomicUsize,
    /// How many of them are streams, one way or both.
    streams: AtomicUsize,
    /// How many calls the server takes at a time.
    most: AtomicUsize,
    /// Whether a call was made since this was last asked.
    used: AtomicBool,
    /// Who waits until there may be one call more, on this connection or on another one.
    room: OnceLock<Arc<Notify>>,
}

/// A call's place on a connection.
pub(in crate::client) struct Place {
    state: Arc<State>,
    stream: bool,
}

/// Connects for all calls that wait.
pub(super) fn connect(home: &Arc<Home>, address: String, offer: Offer) -> Connecting {
    let (opener, home) = (home.opener().clone(), Arc::downgrade(home));
    let task = tokio::spawn(async move {
        let outcome = opener.open(&address, offer).await;
        match home.upgrade() {
            Some(home) => home.settle(&address, outcome),
            // The client is gone by now, and so are those who waited.
            None => Err(open::broken_off()),
        }
    });
    async { task.await.unwrap_or_else(|_| Err(open::broken_off())) }.boxed().shared()
}

/// Begins to speak HTTP/2.
pub(super) async fn open(io: BoxIo, peer: Arc<Peer>, tally: &Arc<Tally>) -> Result<Shared> {
    let (io, cork) = Corked::new(io);
    let (sender, connection) = Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CLIENT_WINDOW)
        .max_frame_size(FRAME)
        .initial_max_send_streams(AT_FIRST)
        .enable_push(false)
        .handshake(io)
        .await
        .map_err(broken_off)?;
    let state = Arc::new(State {
        closed: AtomicBool::new(false),
        in_flight: AtomicUsize::new(0),
        streams: AtomicUsize::new(0),
        most: AtomicUsize::new(AT_FIRST),
        used: AtomicBool::new(true),
        room: OnceLock::new(),
    });
    let line = Arc::new(Line { sender, peer, state });
    let (driver, open) = (driver::run(connection, cork, &line), tally.open(Wire::Http2));
    tokio::spawn(async move {
        let _open = open;
        driver.await;
    });
    Ok(Shared { line, reused: false })
}

impl Shared {
    pub(super) fn peer(&self) -> &Peer {
        &self.line.peer
    }

    pub(super) fn is_closed(&self) -> bool {
        self.line.state.closed.load(Ordering::Relaxed)
    }

    /// Whether the server takes one more call.
    pub(super) fn has_room(&self) -> bool {
        self.line.state.in_flight() < self.line.state.most.load(Ordering::Relaxed)
    }

    /// What the calls on it count.
    pub(super) fn load(&self) -> usize {
        let state = &self.line.state;
        state.in_flight() + state.streams.load(Ordering::Relaxed) * (STREAM - 1)
    }

    /// Whether there was a call on it since this was last asked, or there is one.
    pub(super) fn was_used(&self) -> bool {
        self.line.state.used.swap(false, Ordering::Relaxed) || self.line.state.in_flight() > 0
    }

    /// Whether it is open and there is no call on it.
    pub(super) fn is_idle(&self) -> bool {
        !self.is_closed() && self.line.state.in_flight() == 0
    }

    /// A place for one more call, if the server takes one.
    pub(super) fn place(&self) -> Option<Place> {
        let state = &self.line.state;
        let most = state.most.load(Ordering::Relaxed);
        let one_more = |calls| (calls < most).then_some(calls + 1);
        state.in_flight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Place { state: state.clone(), stream: false })
    }

    /// A place for one more call, whether the server takes it or not.
    pub(super) fn place_anyway(&self) -> Place {
        let state = &self.line.state;
        state.in_flight.fetch_add(1, Ordering::Relaxed);
        Place { state: state.clone(), stream: false }
    }

    /// Tells those who wait for a place here when there is one.
    pub(super) fn tell(&self, room: &Arc<Notify>) {
        let _ = self.line.state.room.set(room.clone());
    }

    /// The same for a call that did not wait for it to come about.
    pub(super) fn again(&self) -> Self {
        Self { reused: true, ..self.clone() }
    }

    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    /// Sends a request, and as much of its body as there is.
    pub(super) fn send(
        self,
        place: Place,
        request: Request<WireBody>,
    ) -> impl Future<Output = Result<Response<AnswerBody>>> + Send + 'static {
        let sent = self.line.send(request);
        async move {
            let (response, upload) = match sent {
                Ok(sent) => sent,
                Err(error) => return Err(trouble::explain(error, true, self.peer())),
            };
            match response.await {
                Ok(response) => {
                    let (head, body) = response.into_parts();
                    let body = Received::new(body, &head.headers);
                    Ok(Response::from_parts(head, AnswerBody::shared(body, upload, place)))
                }
                Err(error) => Err(trouble::explain(error, false, self.peer())),
            }
        }
    }
}

impl Line {
    fn send(&self, request: Request<WireBody>) -> Result<(ResponseFuture, Upload), h2::Error> {
        let (mut head, body) = request.into_parts();
        strip(&mut head.headers, true);
        let alone = body.is_end_stream();
        // Where there might be a body, some servers want to hear that there is none.
        if let Some(length) = body.size_hint().exact()
            && (length > 0 || head.method == Method::POST)
        {
            head.headers.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
        }
        let (response, stream) = self.open(Request::from_parts(head, ()), alone)?;
        Ok((response, if alone { Upload(None) } else { Upload::begin(body, stream) }))
    }

    fn open(
        &self,
        request: Request<()>,
        alone: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>), h2::Error> {
        self.state.used.store(true, Ordering::Relaxed);
        // A sender that has sent waits for its call where the server takes no more at the moment.
        let opened = self.sender.clone().send_request(request, alone);
        if opened.is_err() {
            self.close();
        }
        opened
    }

    /// Notes that there can be no more calls, if that is so.
    fn look(&self) {
        let mut sender = self.sender.clone();
        let polled = sender.poll_ready(&mut TaskContext::from_waker(Waker::noop()));
        let most = sender.current_max_send_streams();
        if self.state.most.swap(most, Ordering::Relaxed) < most {
            self.state.notify();
        }
        if let Poll::Ready(Err(_)) = polled {
            self.close();
        }
    }

    fn close(&self) {
        self.state.close();
    }
}

impl State {
    fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
        self.notify();
    }

    /// Wakes one of those who wait; that one wakes the next.
    fn notify(&self) {
        if let Some(room) = self.room.get() {
            room.notify_one();
        }
    }
}

impl Place {
    /// The same for a call that is a stream.
    pub(super) fn for_stream(mut self) -> Self {
        if !std::mem::replace(&mut self.stream, true) {
            self.state.streams.fetch_add(1, Ordering::Relaxed);
        }
        self
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.stream {
            self.state.streams.fetch_sub(1, Ordering::Relaxed);
        }
        let before = self.state.in_flight.fetch_sub(1, Ordering::Relaxed);
        if before >= self.state.most.load(Ordering::Relaxed) {
            self.state.notify();
        }
    }
}

/// The body of a request that is still sent, in a task of its own. It ends with the call.
pub(super) struct Upload(Option<AbortHandle>);

impl Upload {
    fn begin(body: WireBody, stream: SendStream<Bytes>) -> Self {
        let mut sending = Sending::new(body, stream);
        // A message that is there as a whole is handed over here.
        let now = Pin::new(&mut sending).poll(&mut TaskContext::from_waker(Waker::noop()));
        Self(now.is_pending().then(|| tokio::spawn(sending).abort_handle()))
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(task) = self.0.take() {
            task.abort();
        }
    }
}

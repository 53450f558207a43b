//! A connection of HTTP/2. It runs its calls in its own task for as long as they do not wait: most
//! handlers answer at once, and their answers go out together.

mod call;
mod calls;
mod date;
mod place;

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Builder, Connection as H2, Handshake, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::coop::has_budget_remaining;
use tokio::task::yield_now;
use tokio_util::task::TaskTracker;

use super::activity::Activity;
use super::body::RequestBody;
use super::limits::Limits;
use crate::error::Error;
use crate::protocol::http2::{Cork, Corked, FRAME, KeepAlive, Received, SERVER_WINDOW, STREAM_WINDOW};
use call::Call;
use calls::Calls;

/// How much is granted to small frames that nobody has read, in bytes: each counts what it lacks of 256. A stream
/// of small messages that is read slowly is to wait for its window, and not to end the connection; what a frame
/// takes in memory bounds it.
const SMALL_FRAMES: usize = 16 * 1024 * 1024;

/// Serves a connection. The future ends with the connection.
pub(super) fn serve<T, S, F, B>(
    io: T,
    limits: &Limits,
    tasks: &TaskTracker,
    activity: &Arc<Activity>,
    answer: S,
) -> Connection<T, impl FnMut(Request<RecvStream>, SendResponse<Bytes>)>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: Fn(Request<RequestBody>) -> F,
    F: Future<Output = Response<B>> + Send + 'static,
    B: Body<Data = Bytes, Error = Error> + Send + Unpin + 'static,
{
    let (io, cork) = Corked::new(io);
    let handshake = Builder::new()
        .max_concurrent_streams(limits.max_concurrent_streams)
        .max_header_list_size(limits.max_header_size)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(SERVER_WINDOW)
        .max_frame_size(FRAME)
        .max_pending_accept_reset_streams(limits.max_pending_resets)
        .max_local_error_reset_streams(Some(limits.max_stream_errors))
        .max_send_buffer_size(limits.max_send_buffer)
        .data_frame_budget(SMALL_FRAMES)
        .handshake(io);
    let mut calls = Calls::new(tasks.clone());
    let begin = move |request: Request<RecvStream>, respond| {
        let (head, body) = request.into_parts();
        let body = Received::new(body, &head.headers);
        let answer = answer(Request::from_parts(head, body.into()));
        calls.run(Call::new(answer, respond));
    };
    Connection {
        state: State::Opening(Box::new(handshake)),
        begin,
        keep_alive: (limits.keep_alive_interval, limits.keep_alive_timeout),
        cork,
        activity: activity.clone(),
        leaving: false,
        waited: false,
    }
}

/// A connection and what begins a call on it.
pub(super) struct Connection<T, S> {
    state: State<T>,
    begin: S,
    /// How often a silent peer is asked whether it is there, and how long it may take to answer.
    keep_alive: (Duration, Duration),
    cork: Cork,
    activity: Arc<Activity>,
    leaving: bool,
    /// Whether what is to be written has waited for the answers of other tasks.
    waited: bool,
}

enum State<T> {
    Opening(Box<Handshake<Corked<T>, Bytes>>),
    Open { connection: Box<H2<Corked<T>, Bytes>>, keep_alive: Option<KeepAlive> },
}

impl<T, S> Connection<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: FnMut(Request<RecvStream>, SendResponse<Bytes>) + Unpin,
{
    /// Lets the calls in flight finish and takes no new ones, which the client is told.
    pub(super) fn graceful_shutdown(self: Pin<&mut Self>) {
        let this = self.get_mut();
        if !std::mem::replace(&mut this.leaving, true)
            && let State::Open { connection, .. } = &mut this.state
        {
            connection.graceful_shutdown();
        }
    }
}

impl<T, S> Future for Connection<T, S>
where
    T: AsyncRead + AsyncWrite + Unpin,
    S: FnMut(Request<RecvStream>, SendResponse<Bytes>) + Unpin,
{
    type Output = Result<(), h2::Error>;

    fn poll(mut self: Pin<&mut Self>, task: &mut TaskContext<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let State::Opening(handshake) = &mut this.state {
            let mut connection = Box::new(ready!(Pin::new(&mut **handshake).poll(task))?);
            let (interval, timeout) = this.keep_alive;
            let keep_alive = connection
                .ping_pong()
                .map(|pings| KeepAlive::new(pings, this.cork.clone(), interval, timeout));
            if this.leaving {
                connection.graceful_shutdown();
            }
            this.state = State::Open { connection, keep_alive };
        }
        let State::Open { connection, keep_alive } = &mut this.state else { return Poll::Pending };
        if let Some(asking) = keep_alive
            && asking.poll_gone(task, true).is_ready()
        {
            tracing::debug!("a peer did not answer that it is still there (the option `keep_alive_timeout`)");
            *keep_alive = None;
            connection.abrupt_shutdown(Reason::NO_ERROR);
        }
        loop {
            // What the calls below send is written when there are no more of them. Nobody needs to
            // wake this task for it: the last look, without the cork, sees to all of it.
            this.cork.hold();
            let mut unheard = TaskContext::from_waker(Waker::noop());
            while let Poll::Ready(next) = connection.poll_accept(&mut unheard) {
                match next {
                    Some(Ok((request, respond))) => (this.begin)(request, respond),
                    Some(Err(error)) => return Poll::Ready(Err(error)),
                    None => return Poll::Ready(Ok(())),
                }
                if !has_budget_remaining() {
                    break;
                }
            }
            // Calls that run in tasks of their own may be about to answer as well: all tasks that are
            // ready come first.
            let others = this.activity.in_flight() > 1 && this.cork.holds();
            if others && !std::mem::replace(&mut this.waited, true) {
                let _ = pin!(yield_now()).poll(task);
                return Poll::Pending;
            }
            this.waited = false;
            this.cork.release();
            match ready!(connection.poll_accept(task)) {
                Some(Ok((request, respond))) => (this.begin)(request, respond),
                Some(Err(error)) => return Poll::Ready(Err(error)),
                None => return Poll::Ready(Ok(())),
            }
            if !has_budget_remaining() {
                // Other connections have waited for long.
                task.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }
}

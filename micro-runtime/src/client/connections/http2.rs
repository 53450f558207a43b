//! HTTP/2: one connection for all calls to an address.

use std::error::Error as StdError;
use std::pin::pin;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared as SharedFuture};
use http::{Request, Response};
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};

use super::answer::AnswerBody;
use super::home::Home;
use super::open::{self, Offer};
use super::PING_INTERVAL;
use super::peer::Peer;
use crate::error::{Error, Result};
use crate::protocol::body::WireBody;
use crate::protocol::http2::{CLIENT_WINDOW, PING_TIMEOUT, STREAM_WINDOW};
use crate::protocol::read_limits::broken_off;
use crate::transport::BoxIo;

/// The way to the connection of an address.
pub(super) enum Link {
    Open(Shared),
    /// All calls that need the connection wait for the same attempt. It goes on in a task of its
    /// own, whatever becomes of them.
    Connecting(SharedFuture<BoxFuture<'static, Attempt>>),
}

/// How connecting ended, for all who waited; `None` is a server that chose HTTP/1.1.
pub(super) type Attempt = Result<Option<Shared>, Arc<Error>>;

/// A connection, which clones share.
#[derive(Clone)]
pub(in crate::client) struct Shared {
    sender: SendRequest<WireBody>,
    peer: Arc<Peer>,
    reused: bool,
}

/// Connects for all calls that wait.
pub(super) fn connect(
    home: &Arc<Home>,
    address: String,
    offer: Offer,
) -> SharedFuture<BoxFuture<'static, Attempt>> {
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
pub(super) async fn open(io: BoxIo, peer: Arc<Peer>) -> Result<Shared> {
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CLIENT_WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(TokioIo::new(io))
        .await
        .map_err(broken_off)?;
    let other_side = peer.clone();
    tokio::spawn(async move {
        let mut connection = pin!(connection);
        if let Err(error) = connection.as_mut().await {
            tracing::debug!(address = other_side.address, %error, "a connection broke off");
            // The calls that wait hear of the end when the connection is dropped, behind this.
            if let Some(reason) = reason(&error, &other_side.address) {
                other_side.end(reason);
            }
        }
    });
    Ok(Shared { sender, peer, reused: false })
}

impl Shared {
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// The same for a call that did not wait for it to come about.
    pub(super) fn again(&self) -> Self {
        Self { reused: true, ..self.clone() }
    }

    pub(super) fn is_reused(&self) -> bool {
        self.reused
    }

    pub(super) fn send(
        mut self,
        request: Request<WireBody>,
    ) -> impl Future<Output = Result<Response<AnswerBody>>> + Send + 'static {
        let sent = self.sender.try_send_request(request);
        async move {
            let mut failed = match sent.await {
                Ok(response) => return Ok(response.map(AnswerBody::shared)),
                Err(failed) => failed,
            };
            let unsent = failed.take_message().is_some();
            Err(explain(failed.into_error(), unsent, &self.peer))
        }
    }
}

#[cold]
fn explain(error: hyper::Error, unsent: bool, peer: &Peer) -> Error {
    if let Some(refused) = peer.refused() {
        return refused.with_source(error);
    }
    let never_processed = unsent || was_refused(&error);
    let reason = reason(&error, &peer.address).or_else(|| peer.ended().map(str::to_owned));
    let error = match reason {
        Some(reason) => Error::unavailable(reason).with_source(error),
        None => broken_off(error),
    };
    if never_processed { error.never_processed() } else { error }
}

/// Why a connection ended, where the protocol's own words say little.
fn reason(error: &hyper::Error, address: &str) -> Option<String> {
    let error = h2_error(error).filter(|error| error.is_go_away())?;
    match (error.reason()?, error.is_remote()) {
        (h2::Reason::INADEQUATE_SECURITY, true) => Some(format!(
            "the node at {address} takes only connections with TLS: set the option `tls` of the client"
        )),
        // What the first bytes of an HTTP/1.1 answer are when they are read as a frame.
        (h2::Reason::FRAME_SIZE_ERROR, false) => Some(format!(
            "what {address} answers is not HTTP/2: does it speak HTTP/1.1 alone (the option `http_version` of the \
             client), or TLS (the option `tls`)?"
        )),
        _ => None,
    }
}

/// Whether the server said that it did not touch the request: it reset the stream as refused, or it
/// is going away and did not get to it (RFC 9113, sections 6.8 and 8.7). A server that wants TLS
/// says so before anything else.
fn was_refused(error: &hyper::Error) -> bool {
    let Some(error) = h2_error(error) else { return false };
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    let leaving = error.is_go_away()
        && matches!(error.reason(), Some(h2::Reason::NO_ERROR | h2::Reason::INADEQUATE_SECURITY));
    error.is_remote() && (refused || leaving)
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    let mut source = StdError::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref() {
            return Some(error);
        }
        source = error.source();
    }
    None
}

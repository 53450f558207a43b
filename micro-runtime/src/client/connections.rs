use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{BoxFuture, Shared};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::protocol::body::{WireBody, broken_off};
use crate::protocol::http2::{CONNECTION_WINDOW, PING_TIMEOUT, STREAM_WINDOW};
use crate::transport::Transport;

/// How often a silent server is asked whether it is still there while calls wait for it.
const PING_INTERVAL: Duration = Duration::from_secs(30);

/// The connections of a client: one to each address, made when it is first needed and again after
/// it broke.
pub(super) struct Connections(Arc<Inner>);

struct Inner {
    transport: Arc<dyn Transport>,
    connect_timeout: Duration,
    links: Mutex<HashMap<String, Link>>,
}

enum Link {
    Open(SendRequest<WireBody>),
    /// All calls that need the connection wait for the same attempt. It goes on in a task of its
    /// own, whatever becomes of them.
    Connecting(Shared<BoxFuture<'static, Attempt>>),
}

/// How connecting ended, for all who waited.
type Attempt = Result<SendRequest<WireBody>, Arc<Error>>;

/// A connection to be used for one call.
pub(super) struct Connection(SendRequest<WireBody>);

impl Connections {
    pub(super) fn new(transport: Arc<dyn Transport>, connect_timeout: Duration) -> Self {
        Self(Arc::new(Inner { transport, connect_timeout, links: Mutex::default() }))
    }

    /// A connection to this address. An error means that the node could not be reached.
    pub(super) async fn get(&self, address: &str) -> Result<Connection> {
        let attempt = {
            let mut links = self.0.links();
            match links.get(address) {
                Some(Link::Open(sender)) if !sender.is_closed() => return Ok(Connection(sender.clone())),
                // One that has ended and still stands here was in a runtime that ended, or panicked.
                Some(Link::Connecting(attempt)) if attempt.peek().is_none() => attempt.clone(),
                _ => {
                    // A new connection is a good moment to forget the ones that are gone.
                    links.retain(|_, link| !matches!(link, Link::Open(sender) if sender.is_closed()));
                    let attempt = self.connect(address.to_owned());
                    links.insert(address.to_owned(), Link::Connecting(attempt.clone()));
                    attempt
                }
            }
        };
        match attempt.await {
            Ok(sender) => Ok(Connection(sender)),
            Err(error) => Err(Error::new(error.code(), error.message()).with_source(error).never_processed()),
        }
    }

    fn connect(&self, address: String) -> Shared<BoxFuture<'static, Attempt>> {
        let transport = self.0.transport.clone();
        let (limit, home) = (self.0.connect_timeout, Arc::downgrade(&self.0));
        let task = tokio::spawn(async move {
            let connected = timeout(limit, open(&*transport, &address)).await.unwrap_or_else(|_| {
                let limit = humantime::format_duration(limit);
                Err(Error::unavailable(format!("cannot connect to {address} within {limit}")))
            });
            let attempt = connected.map_err(Arc::new);
            settle(&home, address, &attempt);
            attempt
        });
        let attempt = async {
            // A task that does not end well was in a runtime that ends, or in a transport that panics.
            task.await.unwrap_or_else(|_| Err(Arc::new(Error::unavailable("connecting was broken off"))))
        };
        attempt.boxed().shared()
    }
}

impl Inner {
    fn links(&self) -> MutexGuard<'_, HashMap<String, Link>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the connection for the calls to come; after a failure the next call tries again.
fn settle(home: &Weak<Inner>, address: String, attempt: &Attempt) {
    // The client may be gone by now.
    let Some(home) = home.upgrade() else { return };
    match attempt {
        Ok(sender) => drop(home.links().insert(address, Link::Open(sender.clone()))),
        Err(_) => drop(home.links().remove(&address)),
    }
}

async fn open(transport: &dyn Transport, address: &str) -> Result<SendRequest<WireBody>> {
    let io = TokioIo::new(transport.connect(address).await?);
    let (sender, connection) = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_INTERVAL)
        .keep_alive_timeout(PING_TIMEOUT)
        .handshake(io)
        .await
        .map_err(broken_off)?;
    let address = address.to_owned();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(address, %error, "a connection broke off");
        }
    });
    Ok(sender)
}

impl Connection {
    /// Puts a request on its way, at once; the future is the head of the response.
    pub(super) fn send(
        mut self,
        request: Request<WireBody>,
    ) -> impl Future<Output = Result<Response<Incoming>>> + Send + 'static {
        let sent = self.0.try_send_request(request);
        async move {
            let mut failed = match sent.await {
                Ok(response) => return Ok(response),
                Err(failed) => failed,
            };
            let unsent = failed.take_message().is_some();
            let error = failed.into_error();
            let never_processed = unsent || was_refused(&error);
            let error = broken_off(error);
            Err(if never_processed { error.never_processed() } else { error })
        }
    }
}

/// Whether the server said that it did not touch the request: it reset the stream as refused, or it
/// is going away and did not get to it (RFC 9113, sections 6.8 and 8.7).
fn was_refused(error: &hyper::Error) -> bool {
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
            let leaving = error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR);
            return error.is_remote() && (refused || leaving);
        }
        source = error.source();
    }
    false
}

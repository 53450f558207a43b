use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::timeout;

use crate::error::{Error, Result};
use crate::protocol::body::{WireBody, broken_off};
use crate::transport::Transport;

/// How often a silent server is asked whether it is still there while calls wait for it, and how
/// long it may take to answer.
const PING_INTERVAL: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(20);

/// HTTP/2 windows: one large message, or many small ones, on their way without a round trip.
const STREAM_WINDOW: u32 = 1024 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;

/// The connections of a client: one to each address, made when it is first needed and again after
/// it broke.
pub(super) struct Connections {
    transport: Arc<dyn Transport>,
    connect_timeout: Duration,
    links: Mutex<HashMap<String, Arc<Link>>>,
}

#[derive(Default)]
struct Link {
    sender: Mutex<Option<SendRequest<WireBody>>>,
    /// Held while connecting, so that many calls at once make one connection.
    connecting: tokio::sync::Mutex<()>,
}

/// A connection to be used for one call.
pub(super) struct Connection(SendRequest<WireBody>);

impl Connections {
    pub(super) fn new(transport: Arc<dyn Transport>, connect_timeout: Duration) -> Self {
        Self { transport, connect_timeout, links: Mutex::default() }
    }

    /// A connection to this address. An error means that the node could not be reached.
    pub(super) async fn get(&self, address: &str) -> Result<Connection> {
        let link = self.link(address);
        if let Some(connection) = link.open() {
            return Ok(connection);
        }
        let _connecting = link.connecting.lock().await;
        if let Some(connection) = link.open() {
            return Ok(connection);
        }
        let connected = timeout(self.connect_timeout, self.connect(address)).await;
        let sender = connected.unwrap_or_else(|_| {
            let limit = humantime::format_duration(self.connect_timeout);
            Err(Error::unavailable(format!("cannot connect to {address} within {limit}")).never_processed())
        })?;
        *lock(&link.sender) = Some(sender.clone());
        Ok(Connection(sender))
    }

    fn link(&self, address: &str) -> Arc<Link> {
        let mut links = lock(&self.links);
        if let Some(link) = links.get(address) {
            return link.clone();
        }
        // A new node came: a good moment to forget the ones that are gone.
        links.retain(|_, link| Arc::strong_count(link) > 1 || link.open().is_some());
        links.entry(address.to_owned()).or_default().clone()
    }

    async fn connect(&self, address: &str) -> Result<SendRequest<WireBody>> {
        let io = TokioIo::new(self.transport.connect(address).await?);
        let shaken = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(io)
            .await;
        let (sender, connection) = shaken.map_err(|error| broken_off(error).never_processed())?;
        let address = address.to_owned();
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(address, %error, "a connection broke off");
            }
        });
        Ok(sender)
    }
}

impl Link {
    fn open(&self) -> Option<Connection> {
        let mut sender = lock(&self.sender);
        if sender.as_ref().is_some_and(SendRequest::is_closed) {
            *sender = None;
        }
        sender.clone().map(Connection)
    }
}

impl Connection {
    /// Sends a request and waits for the head of the response.
    pub(super) async fn send(mut self, request: Request<WireBody>) -> Result<Response<Incoming>> {
        if let Err(error) = self.0.ready().await {
            return Err(broken_off(error).never_processed());
        }
        match self.0.try_send_request(request).await {
            Ok(response) => Ok(response),
            Err(mut failed) => {
                let unsent = failed.take_message().is_some();
                let error = failed.into_error();
                let never_processed = unsent || was_refused(&error);
                let error = broken_off(error);
                Err(if never_processed { error.never_processed() } else { error })
            }
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

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::pin;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::queue::Queue;
use super::receive::Receiver;
use super::settings::Settings;
use crate::error::Result;
use crate::transport::{BoxIo, Listener, Tcp, Transport as _};

/// How long a connection may be idle, or a head on its way: more than the 90 s after which a Go program closes an idle connection, so
/// that it never sends to one that this side is just closing.
const IDLE: Duration = Duration::from_secs(120);

/// The most bytes of a connection that are read ahead.
const READ_AHEAD: usize = 64 << 10;

/// How long answers may be on their way when it ends.
const LINGER: Duration = Duration::from_secs(5);

/// The most subscriptions that are over and remembered.
const MOST_OVER: usize = 256;

/// The pause after the system could not accept a connection.
const BROKEN: Duration = Duration::from_millis(100);

/// A listener for events. It ends when this is dropped; what is being answered gets its answer.
#[derive(Debug)]
pub(super) struct Listening {
    /// The address that others are told.
    pub(super) address: String,
    pub(super) queues: Queues,
    connections: Arc<Semaphore>,
    most: u32,
    stop: watch::Sender<bool>,
    accepting: AbortHandle,
}

/// The subscriptions of a listener.
#[derive(Clone, Debug, Default)]
pub(super) struct Queues(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    queues: HashMap<String, Weak<Queue>>,
    /// The ids of those that are over.
    over: VecDeque<String>,
}

/// What is known of an id.
pub(super) enum Found {
    Here(Arc<Queue>),
    Over,
    Unknown,
}

impl Listening {
    pub(super) async fn new(settings: &Settings, receiver: Receiver) -> Result<Self> {
        let listener = Tcp.listen(&settings.address).await.map_err(|error| {
            error.context("the http broker, which is given events over HTTP, cannot begin to listen")
        })?;
        let address = advertised(settings, Tcp.advertised(&listener.address())?);
        tracing::debug!(address, "the http broker listens");
        let queues = receiver.queues.clone();
        let most = u32::try_from(settings.connections.get().min(Semaphore::MAX_PERMITS)).unwrap_or(u32::MAX);
        let connections = Arc::new(Semaphore::new(most as usize));
        let (stop, stopped) = watch::channel(false);
        let accepting = accept(listener, connections.clone(), receiver, stopped);
        let accepting = tokio::spawn(accepting).abort_handle();
        Ok(Self { address, queues, connections, most, stop, accepting })
    }

    /// Ends all subscriptions, and then the connections, when what is in hand is answered or after a moment.
    pub(super) async fn close(&self) {
        join_all(self.queues.all().iter().map(|queue| queue.end())).await;
        self.accepting.abort();
        self.stop.send_replace(true);
        // They are all there when no connection has one.
        let _ = timeout(LINGER, self.connections.acquire_many(self.most)).await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Queues {
    pub(super) fn add(&self, queue: &Arc<Queue>) {
        self.lock().queues.insert(queue.id.clone(), Arc::downgrade(queue));
    }

    /// Remembers that a subscription is over.
    pub(super) fn remove(&self, id: &str) {
        let mut known = self.lock();
        if known.queues.remove(id).is_some() {
            known.over.push_back(id.to_owned());
            if known.over.len() > MOST_OVER {
                known.over.pop_front();
            }
        }
    }

    pub(super) fn find(&self, id: &str) -> Found {
        let known = self.lock();
        match known.queues.get(id).map(Weak::upgrade) {
            Some(Some(queue)) => Found::Here(queue),
            Some(None) => Found::Over,
            None if known.over.iter().any(|over| over == id) => Found::Over,
            None => Found::Unknown,
        }
    }

    fn all(&self) -> Vec<Arc<Queue>> {
        self.lock().queues.values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The address for others: what the program says, with the port that is listened on where it names none.
fn advertised(settings: &Settings, local: String) -> String {
    match &settings.advertise {
        None => local,
        Some(said) if has_port(said) => said.clone(),
        Some(host) => {
            let port = local.rsplit_once(':').map_or("", |(_, port)| port);
            // An IPv6 address takes brackets.
            if host.contains(':') && !host.starts_with('[') {
                format!("[{host}]:{port}")
            } else {
                format!("{host}:{port}")
            }
        }
    }
}

fn has_port(address: &str) -> bool {
    address.rsplit_once(':').is_some_and(|(host, port)| {
        port.parse::<u16>().is_ok() && (!host.contains(':') || (host.starts_with('[') && host.ends_with(']')))
    })
}

async fn accept(
    mut listener: Box<dyn Listener>,
    connections: Arc<Semaphore>,
    receiver: Receiver,
    stopped: watch::Receiver<bool>,
) {
    let receiver = Arc::new(receiver);
    loop {
        // Who comes when there are too many waits, as for a program that is slow to accept.
        let Ok(place) = connections.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((io, peer)) => {
                let serving = serve(io, receiver.clone(), stopped.clone());
                tokio::spawn(async move {
                    if let Err(error) = serving.await {
                        tracing::debug!(peer, %error, "a connection of a publisher ended");
                    }
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the http broker cannot accept a connection");
                sleep(BROKEN).await;
            }
        }
    }
}

async fn serve(io: BoxIo, receiver: Arc<Receiver>, mut stopped: watch::Receiver<bool>) -> hyper::Result<()> {
    let service = service_fn(|request| {
        let receiver = receiver.clone();
        async move { Ok::<_, std::convert::Infallible>(receiver.receive(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE)
        .max_buf_size(READ_AHEAD)
        .serve_connection(TokioIo::new(io), service);
    pin!(connection);
    tokio::select! {
        ended = connection.as_mut() => return ended,
        // It is stopped as well where nobody could say so any more.
        _ = stopped.wait_for(|stopped| *stopped) => {}
    }
    connection.as_mut().graceful_shutdown();
    timeout(LINGER, connection).await.unwrap_or(Ok(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_alone_is_advertised_with_the_port_that_is_listened_on() {
        let of = |said: &str| {
            let settings = Settings { advertise: Some(said.into()), ..Settings::default() };
            advertised(&settings, "127.0.0.1:7000".into())
        };
        assert_eq!(of("broker.example"), "broker.example:7000");
        assert_eq!(of("broker.example:80"), "broker.example:80");
        assert_eq!(of("::1"), "[::1]:7000");
        assert_eq!(of("[::1]"), "[::1]:7000");
        assert_eq!(of("[::1]:80"), "[::1]:80");
        assert_eq!(advertised(&Settings::default(), "10.0.0.1:5".into()), "10.0.0.1:5");
    }
}

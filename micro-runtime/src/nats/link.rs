//! A connection, which is made again when it is lost.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::jetstream::{self, AckKind};
use async_nats::{Client, ConnectErrorKind, Event};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio::task::AbortHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::Settings;
use super::echo::Echo;
use super::pull::Flow;
use crate::error::{Error, Result};

/// How long the first connection may take, with all servers tried.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a connection that is silent is tried; it is lost when two are not answered.
const PING: Duration = Duration::from_secs(5);

/// How long the server may take to answer. It is long, since a server that has much to do is slow, and giving up
/// makes it do more.
pub(crate) const ANSWER: Duration = Duration::from_secs(10);

/// How long a use waits for a connection that was lost and is being made again.
const RECONNECT: Duration = Duration::from_secs(2);

/// The longest pause between two tries to connect again.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How often it is looked whether we know what the connection is like: the library drops news when there are many.
const LOOK: Duration = Duration::from_secs(1);

/// The messages of one subscription that may wait to be read.
const QUEUE: usize = 16 << 10;

/// The publishes that may wait for their confirmation; more wait before they are sent.
const UNCONFIRMED: usize = 8 << 10;

/// The longest that taking leave may last.
const FAREWELL: Duration = Duration::from_secs(4);

/// The connection as it is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    /// Which one it is: another number is another connection.
    pub(crate) number: u64,
    pub(crate) up: bool,
}

/// What is given back to the server when there is no time to wait.
type GivenBack = mpsc::UnboundedReceiver<(jetstream::message::Acker, AckKind)>;

/// A client of NATS. The connection ends with the last handle.
pub(crate) struct Link {
    pub(crate) client: Client,
    pub(crate) jetstream: jetstream::Context,
    /// The servers, for errors.
    pub(crate) servers: String,
    pub(crate) connection: watch::Receiver<Connection>,
    pub(crate) echo: Echo,
    /// It is over for good.
    pub(crate) closed: CancellationToken,
    runtime: Handle,
    give_back: mpsc::UnboundedSender<(jetstream::message::Acker, AckKind)>,
    flows: Mutex<Vec<Weak<Flow>>>,
    task: AbortHandle,
}

impl Link {
    /// Connects. `name` is how the server lists the connection, and `advice` what to do where it cannot be made.
    pub(crate) async fn open(settings: &Settings, name: &str, advice: &str) -> Result<Arc<Self>> {
        let (state, mut connection) = watch::channel(Connection { number: 0, up: false });
        let news = state.clone();
        let options = settings
            .options()?
            .name(name)
            .ping_interval(PING)
            .connection_timeout(CONNECT / 2)
            .request_timeout(Some(ANSWER))
            .subscription_capacity(QUEUE)
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                hear(&event, &news);
                std::future::ready(())
            });
        let servers = settings.to_string();
        let client = timeout(CONNECT, options.connect(settings.servers()))
            .await
            .map_err(|_| unreachable(&servers, "it did not answer in time", advice))?
            .map_err(|error| match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    Error::unauthenticated(format!(
                        "NATS at {servers} does not let us in: {error}. Give a user in the address, \
                         `nats://user:password@host`, or a file with credentials"
                    ))
                }
                _ => unreachable(&servers, &error.to_string(), advice).with_source(error),
            })?;
        // The news of it may still be on its way, and must not look like those of another one.
        let heard = timeout(CONNECT, connection.wait_for(|connection| connection.number > 0)).await.is_ok();
        if !heard {
            return Err(unreachable(&servers, "it did not answer in time", advice));
        }
        let (give_back, given_back) = mpsc::unbounded_channel();
        let task = tokio::spawn(run(client.clone(), state, given_back)).abort_handle();
        Ok(Arc::new(Self {
            jetstream: ContextBuilder::new()
                .timeout(ANSWER)
                .max_ack_inflight(UNCONFIRMED)
                .build(client.clone()),
            echo: Echo::new(&client).await?,
            client,
            servers,
            connection,
            closed: CancellationToken::new(),
            runtime: Handle::current(),
            give_back,
            flows: Mutex::default(),
            task,
        }))
    }

    /// Whether it can be used: the runtime may have ended that it runs on.
    pub(crate) fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    /// Waits for a moment where the connection is just being made again.
    pub(crate) async fn ready(&self) -> Result<()> {
        if self.connection.borrow().up {
            return Ok(());
        }
        let mut connection = self.connection.clone();
        match timeout(RECONNECT, connection.wait_for(|connection| connection.up)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(self.lost()),
        }
    }

    /// The error while there is no connection.
    #[cold]
    pub(crate) fn lost(&self) -> Error {
        Error::unavailable(format!(
            "the connection to NATS at {} is lost; it is being made again",
            self.servers
        ))
    }

    /// Answers to a delivery, as soon as that is possible.
    pub(crate) fn give_back(&self, acker: jetstream::message::Acker, how: AckKind) {
        // It fails where the task has ended, and with it the connection.
        let _ = self.give_back.send((acker, how));
    }

    /// Has a flow ended properly when the connection is.
    pub(crate) fn attend(&self, flow: &Arc<Flow>) {
        let mut flows = self.flows.lock().unwrap_or_else(PoisonError::into_inner);
        flows.retain(|flow| flow.strong_count() > 0);
        flows.push(Arc::downgrade(flow));
    }

    /// Does something beside everything else, for as long as the runtime is there.
    pub(crate) fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
        self.runtime.spawn(work).abort_handle()
    }

    /// Ends all that consumes, and then the connection.
    pub(crate) async fn close(&self) {
        self.closed.cancel();
        let flows = std::mem::take(&mut *self.flows.lock().unwrap_or_else(PoisonError::into_inner));
        let farewell = async {
            let farewells =
                flows.iter().filter_map(Weak::upgrade).map(|flow| async move { flow.end().await });
            futures_util::future::join_all(farewells).await;
            let _ = self.echo.confirm(self, self.epoch()).await;
        };
        if timeout(FAREWELL, farewell).await.is_err() {
            tracing::warn!(servers = self.servers, "NATS did not confirm what was said at last");
        }
        // Where there is no connection, this waits for one.
        let _ = timeout(FAREWELL, self.client.drain()).await;
    }

    /// Which connection it is, as the library counts: sure where the news are late.
    pub(crate) fn epoch(&self) -> u64 {
        self.client.statistics().connects.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({})", self.servers)
    }
}

/// Takes note of what happened to the connection.
fn hear(event: &Event, state: &watch::Sender<Connection>) {
    match event {
        Event::Connected => state.send_modify(|connection| {
            *connection = Connection { number: connection.number + 1, up: true };
        }),
        Event::Disconnected | Event::Closed => state.send_modify(|connection| connection.up = false),
        Event::ServerError(error) => tracing::warn!(%error, "NATS refused something"),
        _ => {}
    }
}

/// Gives back what is to be given back, and looks after what is known of the connection, until nobody uses it.
async fn run(client: Client, state: watch::Sender<Connection>, mut given_back: GivenBack) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            given = given_back.recv() => match given {
                // Where this fails, the server finds out by itself, later.
                Some((acker, how)) => drop(acker.ack_with(how).await),
                None => break,
            },
            _ = look.tick() => {
                let up = client.connection_state() == State::Connected;
                state.send_if_modified(|known| {
                    let missed = known.up != up;
                    if missed {
                        *known = Connection { number: known.number + u64::from(up), up };
                    }
                    missed
                });
            }
        }
    }
    // What was said last is not written when the last client is dropped.
    let _ = timeout(FAREWELL, client.flush()).await;
}

#[cold]
fn unreachable(servers: &str, why: &str, advice: &str) -> Error {
    Error::unavailable(format!("NATS at {servers} cannot be reached: {why}. {advice}"))
}

/// Half of the pause to all of it, so that those who lost a server together do not come back together.
fn pause(tries: usize) -> Duration {
    let most = Duration::from_millis(50).saturating_mul(1 << tries.min(8)).min(LONGEST_PAUSE);
    if tries <= 1 { Duration::ZERO } else { most.mul_f64(0.5 + fastrand::f64() / 2.0) }
}

//! Connections to the server: made when they are needed, and again when they were lost.

use std::io;
use std::net::Shutdown;
use std::sync::{Arc, Mutex as Lock, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, Event};
use socket2::SockRef;
use tokio::net::lookup_host;
use tokio::sync::Mutex;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::address::Shown;
use super::fault::{ACCESS_REFUSED, fault, reply, said};
use super::settings::Settings;
use crate::error::{Code, Error, Result};

/// How long it may take until a server is there, and the same again until it has let us in.
const CONNECT: Duration = Duration::from_secs(5);

/// One connection, whichever it is at the moment.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) settings: Arc<Settings>,
    /// What it is for; who looks after the server sees it.
    purpose: &'static str,
    session: Mutex<Option<Arc<Session>>>,
    pub(super) closed: CancellationToken,
}

/// A connection as long as it lasts.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) connection: Connection,
    /// It is over; or the runtime is that it was made on.
    pub(super) lost: CancellationToken,
}

impl Session {
    pub(super) fn is_alive(&self) -> bool {
        !self.lost.is_cancelled() && self.connection.status().connected()
    }
}

impl Link {
    pub(super) fn new(settings: Arc<Settings>, purpose: &'static str, closed: CancellationToken) -> Self {
        Self { settings, purpose, session: Mutex::default(), closed }
    }

    /// The connection, which is made where there is none. Who comes while somebody makes it waits for it.
    pub(super) async fn session(&self) -> Result<Arc<Session>> {
        let mut session = self.session.lock().await;
        if self.closed.is_cancelled() {
            return Err(closed());
        }
        if let Some(session) = session.as_ref().filter(|session| session.is_alive()) {
            return Ok(session.clone());
        }
        *session = None;
        let fresh = Arc::new(self.open().await?);
        *session = Some(fresh.clone());
        Ok(fresh)
    }

    /// Ends the connection.
    pub(super) async fn close(&self) {
        let Some(session) = self.session.lock().await.take() else { return };
        let closing = session.connection.close(200, "OK".into());
        if !matches!(timeout(CONNECT, closing).await, Ok(Ok(()))) {
            tracing::debug!(purpose = self.purpose, "a connection to RabbitMQ was over before it was closed");
        }
        session.lost.cancel();
    }

    /// Nothing was handed over where this fails.
    async fn open(&self) -> Result<Session> {
        let mut last = None;
        for server in self.settings.servers.in_turn() {
            match self.connect(server).await {
                Ok(session) => return Ok(session),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::unavailable("there is no RabbitMQ server")).never_processed())
    }

    async fn connect(&self, server: &AMQPUri) -> Result<Session> {
        let tls = self.tls()?;
        let runtime = lapin::runtime::default_runtime().map_err(|error| fault(error, "no runtime"))?;
        let socket = Socket::default();
        let (reached, giving_up) = (socket.clone(), ShutOnDrop(socket));
        let properties = ConnectionProperties::default()
            .with_connection_name(format!("micro: {}", self.purpose).into())
            .with_client_property("product".into(), "micro".into())
            .with_client_property("version".into(), env!("CARGO_PKG_VERSION").into());
        let connecting = Connection::connector(
            server.clone(),
            runtime,
            async move |uri: AMQPUri, runtime| {
                let connecting = async {
                    let place = (uri.authority.host.as_str(), uri.authority.port);
                    let addresses: Vec<_> = lookup_host(place).await?.collect();
                    let stream = AsyncTcpStream::connect(&runtime, addresses).await?;
                    if let AsyncTcpStream::Plain(stream) = &stream {
                        stream.get_ref().set_nodelay(true)?;
                        reached.keep(stream.get_ref())?;
                    }
                    match uri.scheme {
                        AMQPScheme::AMQP => Ok(stream),
                        AMQPScheme::AMQPS => stream.into_tls(&uri.authority.host, tls.as_ref()).await,
                    }
                };
                let late = |_| {
                    io::Error::new(io::ErrorKind::TimedOut, format!("nobody answered within {CONNECT:?}"))
                };
                Ok(timeout(CONNECT, connecting).await.map_err(late).and_then(|stream| stream)?)
            },
            properties,
        );
        match timeout(2 * CONNECT, connecting).await {
            Ok(Ok(connection)) => {
                giving_up.0.take();
                Ok(watch(connection))
            }
            Ok(Err(error)) => Err(unreachable(error, server)),
            Err(_) => Err(Error::unavailable(format!(
                "RabbitMQ at {} takes a connection and then says nothing; {HELP}",
                Shown(server)
            ))),
        }
    }

    /// The authorities that are trusted beside those of the system.
    fn tls(&self) -> Result<OwnedTLSConfig> {
        let Some(path) = &self.settings.root_certificates else { return Ok(OwnedTLSConfig::default()) };
        let chain = std::fs::read_to_string(path).map_err(|error| {
            Error::failed_precondition(format!(
                "the certificates for RabbitMQ in {}: {error}",
                path.display()
            ))
        })?;
        Ok(OwnedTLSConfig { identity: None, cert_chain: Some(chain) })
    }
}

/// The error after the broker was closed.
#[cold]
pub(super) fn closed() -> Error {
    Error::failed_precondition("RabbitMQ: this broker was closed; make a new one").never_processed()
}

const HELP: &str = "is the server running, and is MICRO_BROKER_ADDRESS right?";

/// Takes notice when it is lost.
fn watch(connection: Connection) -> Session {
    let lost = CancellationToken::new();
    let mut events = connection.events_listener();
    let status = connection.status().clone();
    // The guard says it as well when the runtime ends, and with it the connection.
    let over = lost.clone().drop_guard();
    tokio::spawn(async move {
        let _over = over;
        while let Some(event) = events.next().await {
            match event {
                Event::ConnectionBlocked(reason) => {
                    tracing::warn!(reason, "RabbitMQ takes no events for now: who publishes waits");
                }
                Event::ConnectionUnblocked => tracing::info!("RabbitMQ takes events again"),
                _ => {}
            }
            // Errors of a single channel are events as well.
            if !status.connected() {
                break;
            }
        }
    });
    Session { connection, lost }
}

#[cold]
fn unreachable(error: lapin::Error, server: &AMQPUri) -> Error {
    let place = Shown(server);
    if reply(&error) == Some(ACCESS_REFUSED) {
        return Error::new(
            Code::Unauthenticated,
            format!(
                "RabbitMQ at {place} does not let us in as `{}`: {}; the user and the password are in the address, \
                 `amqp://user:password@host`, MICRO_BROKER_ADDRESS for example",
                server.authority.userinfo.username,
                said(&error)
            ),
        );
    }
    if reply(&error).is_some() {
        return fault(error, format_args!("the virtual host `{}` at {place}", server.vhost.escape_debug()));
    }
    Error::unavailable(format!("RabbitMQ at {place} cannot be reached: {}; {HELP}", said(&error)))
        .with_source(error)
}

/// The socket of a connection that is being made. It is shut when nobody waits for it any more, since the library would
/// wait for as long as the server is silent.
#[derive(Clone, Default)]
struct Socket(Arc<Lock<Reached>>);

#[derive(Default)]
enum Reached {
    #[default]
    NotYet,
    Open(socket2::Socket),
    /// It is there, or it is given up.
    Over,
}

impl Socket {
    fn keep(&self, stream: &tokio::net::TcpStream) -> io::Result<()> {
        let mut reached = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *reached {
            Reached::Over => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => {
                *reached = Reached::Open(SockRef::from(stream).try_clone()?);
                Ok(())
            }
        }
    }

    /// Takes it out of our hands.
    fn take(&self) -> Reached {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), Reached::Over)
    }
}

/// Shuts a socket unless it was taken.
struct ShutOnDrop(Socket);

impl Drop for ShutOnDrop {
    fn drop(&mut self) {
        if let Reached::Open(socket) = self.0.take() {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }
}

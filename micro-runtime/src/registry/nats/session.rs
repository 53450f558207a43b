//! A connection, and the task that answers and listens on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::{ConnectErrorKind, Event, Subscriber};
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};
use uuid::Uuid;

use super::link::{Connected, Connection, Link};
use super::members::Members;
use super::message::{Action, QUERY, WATCH};
use crate::error::{Error, Result};
use crate::nats::Settings;

/// How long the first connection may take, with all servers tried.
const CONNECT: Duration = Duration::from_secs(5);

/// How often a connection that is silent is tried; it is lost when two are not answered.
const PING: Duration = Duration::from_secs(3);

/// The longest pause between two tries to connect again.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The messages that wait to be read, per subscription. What does not fit is lost, and asked for again.
const QUEUE: usize = 4096;

/// How long it may take until an answer is on its way. Who asks does not wait that long, and what others say would not be
/// heard in the meantime.
const ANSWER: Duration = Duration::from_millis(250);

/// How long the last words may take.
const FAREWELL: Duration = Duration::from_millis(500);

/// One connection, which is made again when it breaks. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) link: Arc<Link>,
    follow: mpsc::UnboundedSender<String>,
    task: AbortHandle,
}

impl Session {
    pub(super) async fn open(settings: &Settings, members: &Arc<Members>) -> Result<Self> {
        let (state, connected) = watch::channel(None);
        let before = Arc::new(AtomicBool::new(false));
        let options = settings
            .options()?
            .name("micro registry")
            .ping_interval(PING)
            .connection_timeout(CONNECT / 2)
            .subscription_capacity(QUEUE)
            .reconnect_delay_callback(pause)
            .event_callback(move |event| {
                let (state, before) = (state.clone(), before.clone());
                async move {
                    match event {
                        Event::Connected => {
                            let again = before.swap(true, Ordering::Relaxed);
                            state.send_replace(Some(Connection { since: Instant::now(), again }));
                        }
                        Event::Disconnected | Event::Closed => drop(state.send_replace(None)),
                        Event::SlowConsumer(_) => {
                            tracing::debug!("messages on NATS came faster than they were read")
                        }
                        _ => {}
                    }
                }
            });
        let servers = settings.to_string();
        let client = timeout(CONNECT, options.connect(settings.servers()))
            .await
            .map_err(|_| unreachable(&servers, "it did not answer in time"))?
            .map_err(|error| match error.kind() {
                ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                    Error::unauthenticated(format!(
                        "NATS at {servers} does not let us in: {error}. Give a user in the address, \
                         `nats://user:password@host`, or a file with credentials"
                    ))
                }
                _ => unreachable(&servers, &error.to_string()).with_source(error),
            })?;
        let broken = |error: async_nats::client::SubscribeError| {
            unreachable(&servers, &error.to_string()).with_source(error)
        };
        let questions = client.subscribe(QUERY).await.map_err(broken)?;
        let events = client.subscribe(WATCH).await.map_err(broken)?;
        let origin = Uuid::new_v4().simple().to_string();
        let link = Arc::new(Link { client, members: members.clone(), connected, servers, origin });
        let (follow, followed) = mpsc::unbounded_channel();
        let main = Main { link: link.clone(), questions, events, followed, tasks: JoinSet::new() };
        let session = Self { link, follow, task: tokio::spawn(main.run()).abort_handle() };
        // Of a session before this one, on a runtime that is gone.
        members.followed().into_iter().for_each(|service| session.follow(service));
        Ok(session)
    }

    /// Whether its tasks run: the runtime may have ended that they ran on.
    pub(super) fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    /// Keeps a service up to date from now on.
    pub(super) fn follow(&self, service: String) {
        // It fails when the task is gone, and then the session is.
        let _ = self.follow.send(service);
    }
}

#[cold]
fn unreachable(servers: &str, why: &str) -> Error {
    Error::unavailable(format!(
        "NATS at {servers} cannot be reached: {why}. Start it, say where it is with MICRO_REGISTRY_ADDRESS, or choose \
         another registry with MICRO_REGISTRY"
    ))
}

/// Half of the pause to all of it, so that those who lost a server together do not come back together.
fn pause(tries: usize) -> Duration {
    let most = Duration::from_millis(50).saturating_mul(1 << tries.min(8)).min(LONGEST_PAUSE);
    if tries <= 1 { Duration::ZERO } else { most.mul_f64(0.5 + fastrand::f64() / 2.0) }
}

/// The task of a session.
struct Main {
    link: Arc<Link>,
    questions: Subscriber,
    events: Subscriber,
    followed: mpsc::UnboundedReceiver<String>,
    tasks: JoinSet<()>,
}

impl Main {
    async fn run(mut self) {
        let link = self.link.clone();
        let mut connected = link.connected.clone();
        loop {
            tokio::select! {
                service = self.followed.recv() => match service {
                    Some(service) => drop(self.tasks.spawn(link.clone().follow(service))),
                    None => return self.leave().await,
                },
                Some(_) = self.tasks.join_next() => {}
                question = self.questions.next() => match question {
                    Some(question) => drop(timeout(ANSWER, link.answer(question)).await),
                    None => return,
                },
                event = self.events.next() => match event {
                    Some(event) => link.hear(event),
                    None => return,
                },
                () = due(&link) => take_back(&link).await,
                changed = connected.changed() => match changed {
                    Ok(()) => changed_over(&link, &mut connected).await,
                    Err(_) => return,
                },
            }
        }
    }

    /// The registry is dropped: the nodes that nobody took back go with it.
    async fn leave(self) {
        let members = &self.link.members;
        let gone = members.own().into_iter().chain(members.leaving());
        let farewell = async {
            for node in gone {
                let _ = self.link.say(Action::Delete, node.to_record()).await;
            }
        };
        let _ = timeout(FAREWELL, farewell).await;
    }
}

/// However the task ends, nothing is heard from then on.
impl Drop for Main {
    fn drop(&mut self) {
        self.link.members.end_watches();
    }
}

/// Waits until the time of an own node may be over.
async fn due(link: &Link) {
    match link.members.next_expiry() {
        Some(expiry) => tokio::select! {
            () = sleep_until(expiry) => {}
            () = link.members.own_changed.notified() => {}
        },
        None => link.members.own_changed.notified().await,
    }
}

/// Takes back the nodes whose time is over.
async fn take_back(link: &Link) {
    for node in link.members.expire() {
        // Others find out by themselves where this does not reach them.
        let _ = link.say(Action::Delete, node.to_record()).await;
    }
}

/// The connection was lost, or is there again.
async fn changed_over(link: &Link, connected: &mut Connected) {
    let is_connected = connected.borrow_and_update().is_some();
    if !is_connected {
        tracing::warn!(servers = link.servers, "lost the connection to NATS; what is known stays");
        link.members.end_watches();
        return;
    }
    for own in link.members.leaving() {
        let _ = link.leave(&own).await;
    }
    // Those who watch should not have to ask first.
    for node in link.members.own() {
        let _ = link.say(Action::Create, node.to_record()).await;
    }
}

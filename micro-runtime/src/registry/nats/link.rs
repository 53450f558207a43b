//! What is said over the connection, and heard.

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::{Client, HeaderMap, StatusCode, Subscriber};
use futures_util::StreamExt;
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, timeout, timeout_at};

use super::members::Members;
use super::message::{Action, Message, QUERY, WATCH, kept, read_answer};
use crate::error::{Error, Result};
use crate::registry::roll_call::{self, HURRY, MISSES};
use crate::registry::{Labels, Registration, ServiceRecord};

/// How long answers are waited for; go-micro waits as long.
const WINDOW: Duration = Duration::from_millis(100);

/// How long the server may take to confirm that it has a message.
const CONFIRM: Duration = Duration::from_secs(2);

/// How long a use waits for a connection that was lost and is being made again.
const RECONNECT: Duration = Duration::from_secs(1);

/// The pause between the first two questions, because a node that just came may not have heard the first.
const SECOND: Duration = Duration::from_secs(1);

/// For so long after a connection was made again, silence says nothing: others may have lost theirs as well, and not have it back yet.
const GRACE: Duration = Duration::from_secs(10);

/// The header that says which process a message is from. go-micro does not look at headers.
const ORIGIN: &str = "Micro-Origin";

/// The most answers to one question that are looked at.
const MOST_ANSWERS: usize = 20_000;

/// The connection as it is now; `None` while there is none.
pub(super) type Connected = watch::Receiver<Option<Connection>>;

/// When the connection was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connection {
    pub(super) since: Instant,
    /// Whether there was one before it.
    pub(super) again: bool,
}

impl Connection {
    /// Whether a node that does not answer could have done so.
    fn silence_counts(self) -> bool {
        self.until_silence_counts().is_zero()
    }

    /// How long it is until then. Who is gone was lost with the connection, and is asked quickly from then on.
    fn until_silence_counts(self) -> Duration {
        if self.again { GRACE.saturating_sub(self.since.elapsed()) } else { Duration::ZERO }
    }
}

/// A client of NATS that speaks as go-micro's registries do.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) members: Arc<Members>,
    pub(super) connected: Connected,
    /// The servers, for errors.
    pub(super) servers: String,
    pub(super) origin: String,
}

impl Link {
    /// Waits for a moment where the connection is just being made again.
    pub(super) async fn ready(&self) -> Result<()> {
        let mut connected = self.connected.clone();
        match timeout(RECONNECT, connected.wait_for(Option::is_some)).await {
            Ok(Ok(_)) if self.client.connection_state() == State::Connected => Ok(()),
            _ => Err(self.lost()),
        }
    }

    /// The error while there is no connection.
    #[cold]
    pub(super) fn lost(&self) -> Error {
        Error::unavailable(format!(
            "the connection to NATS at {} is lost; it is being made again",
            self.servers
        ))
    }

    /// Says something about nodes, and returns when the server has it.
    pub(super) async fn say(&self, action: Action, record: ServiceRecord) -> Result<()> {
        let payload = json(&Message::new(action, record))?;
        let most = self.client.max_payload();
        if payload.len() + ORIGIN.len() + self.origin.len() + 32 > most {
            return Err(Error::invalid_argument(format!(
                "the record of the node has {} bytes, and the NATS server at {} takes {most}: shorten its metadata",
                payload.len(),
                self.servers
            )));
        }
        let confirmed = async {
            // A server handles the messages of a connection in their order.
            let inbox = self.client.new_inbox();
            let mut echo = self.client.subscribe(inbox.clone()).await.map_err(broken)?;
            self.client.publish_with_headers(WATCH, self.headers(), payload.into()).await.map_err(broken)?;
            self.client.publish(inbox, "".into()).await.map_err(broken)?;
            echo.next().await.ok_or_else(|| self.lost()).map(drop)
        };
        timeout(CONFIRM, confirmed).await.unwrap_or_else(|_| {
            Err(Error::unavailable(format!("NATS at {} did not answer within {CONFIRM:?}", self.servers)))
        })
    }

    /// Says that an own node was taken back, and takes note that it was said.
    pub(super) async fn leave(&self, own: &Arc<Registration>) -> Result<()> {
        // go-micro's programs leave the metadata out, and the endpoints are nobody's business any more.
        let mut leave = (**own).clone();
        leave.node.metadata = Labels::new();
        leave.endpoints.clear();
        self.say(Action::Delete, leave.to_record()).await?;
        self.members.told(own);
        Ok(())
    }

    /// Answers a question.
    pub(super) async fn answer(&self, question: async_nats::Message) {
        let Some(reply) = question.reply.clone() else { return };
        if self.is_own(&question) {
            return;
        }
        let records = match parse(&question) {
            Some(Message { action: Action::Get, service: Some(service) }) => {
                self.members.records(Some(&service.name))
            }
            Some(Message { action: Action::List, .. }) => self.members.records(None),
            _ => return,
        };
        for record in records {
            let Ok(payload) = json(&record) else { continue };
            let headers = self.headers();
            if self.client.publish_with_headers(reply.clone(), headers, payload.into()).await.is_err() {
                return;
            }
        }
    }

    /// Takes in what another process said of its nodes.
    pub(super) fn hear(&self, message: async_nats::Message) {
        if self.is_own(&message) {
            return;
        }
        if let Some(Message { action, service: Some(record) }) = parse(&message)
            && let Some(record) = kept(record, message.payload.len())
        {
            self.members.heard(action, record);
        }
    }

    /// Keeps a service up to date until nobody wants to know, or this is dropped.
    pub(super) async fn follow(self: Arc<Self>, service: String) {
        let Some(suspicion) = self.members.suspicion(&service) else { return };
        let mut connected = self.connected.clone();
        let mut hurried = 0;
        // The questions on this connection, and those of them that counted.
        let (mut asked, mut counted) = (0_u32, 0_u32);
        loop {
            let connection = *connected.borrow_and_update();
            let Some(connection) = connection else {
                // Nobody can be heard.
                if connected.changed().await.is_err() {
                    return;
                }
                (asked, counted) = (0, 0);
                continue;
            };
            let Some(call) = self.members.begin(&service) else { return };
            let answered =
                self.ask(&Message::get(&service), |record| self.members.answered(&service, record)).await;
            if answered.is_ok() && *connected.borrow() == Some(connection) {
                let counts = connection.silence_counts();
                self.members.end(&service, call, counts);
                asked = asked.saturating_add(1);
                counted = counted.saturating_add(u32::from(counts));
            }
            hurried = if hurried > 0 { hurried - 1 } else { 0 };
            let pause = match (hurried, asked) {
                (1.., _) => HURRY,
                (_, 0 | 1) => SECOND,
                _ if connection.again && counted < MISSES => connection.until_silence_counts().max(SECOND),
                _ => roll_call::pause(),
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = suspicion.notified(), if hurried == 0 => hurried = MISSES,
                changed = connected.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    (asked, counted) = (0, 0);
                }
            }
        }
    }

    /// All nodes that anybody knows.
    pub(super) async fn list(&self) -> Result<Vec<Registration>> {
        let mut all = Vec::new();
        self.ask(&Message::list(), |record| all.extend(Registration::from_record(record))).await?;
        Ok(all)
    }

    /// Asks, and takes in the answers that come in time.
    async fn ask(&self, question: &Message, mut take: impl FnMut(ServiceRecord)) -> Result<()> {
        let inbox = self.client.new_inbox();
        let mut answers: Subscriber = self.client.subscribe(inbox.clone()).await.map_err(broken)?;
        let payload = json(question)?;
        let asked = self.client.publish_with_reply_and_headers(QUERY, inbox, self.headers(), payload.into());
        timeout(CONFIRM, asked).await.map_err(|_| self.lost())?.map_err(broken)?;
        let end = Instant::now() + WINDOW;
        for _ in 0..MOST_ANSWERS {
            let Ok(answer) = timeout_at(end, answers.next()).await else { break };
            let Some(answer) = answer else { return Err(self.lost()) };
            if answer.status == Some(StatusCode::NO_RESPONDERS) {
                break;
            }
            if self.is_own(&answer) {
                continue;
            }
            match read_answer(&answer.payload) {
                Ok(record) => record
                    .and_then(|record| kept(record, answer.payload.len()))
                    .into_iter()
                    .for_each(&mut take),
                Err(error) => tracing::debug!(%error, "ignored an answer on NATS that is no service"),
            }
        }
        Ok(())
    }

    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, self.origin.as_str());
        headers
    }

    /// Whether we sent this.
    fn is_own(&self, message: &async_nats::Message) -> bool {
        let origin = message.headers.as_ref().and_then(|headers| headers.get(ORIGIN));
        origin.is_some_and(|origin| origin.as_str() == self.origin)
    }
}

fn parse(message: &async_nats::Message) -> Option<Message> {
    Message::read(&message.payload)
        .inspect_err(|error| {
            tracing::debug!(%error, subject = %message.subject, "ignored a message that is no registry's");
        })
        .ok()
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::internal("cannot write a record").with_source(error))
}

#[cold]
fn broken(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::unavailable(format!("NATS: {error}")).with_source(error)
}

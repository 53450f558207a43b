use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use percent_encoding::percent_decode_str;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;

use super::super::{Envelope, Guarantee, envelope_json};
use super::listener::{Found, Queues};
use super::queue::{Answer, NotTaken, Queue, Waiting, kib};
use super::wire::{ATTEMPTS, FROM_US};

/// How long a publisher may take to send an event, and how long one waits for room to read it.
const PATIENCE: Duration = Duration::from_secs(10);

/// When a publisher may come again that came when there was no room.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

/// What receives events of publishers.
#[derive(Debug)]
pub(super) struct Receiver {
    pub(super) queues: Queues,
    pub(super) largest_event: usize,
    pub(super) largest_request: usize,
    /// How many events were not taken that are delivered at most once.
    pub(super) dropped: Arc<AtomicU64>,
}

type Reply = Response<Full<Bytes>>;

impl Receiver {
    /// Takes an event, and answers when it is known what became of it.
    pub(super) async fn receive(&self, request: Request<Incoming>) -> Reply {
        let mut reply = self.take(request).await;
        // So that a publisher knows who answers: the port may by now be that of another program.
        reply.headers_mut().insert(FROM_US, HeaderValue::from_static("1"));
        reply
    }

    async fn take(&self, request: Request<Incoming>) -> Reply {
        if request.method() != Method::POST {
            let mut reply = go_error(StatusCode::METHOD_NOT_ALLOWED, "Method not allowed");
            reply.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return reply;
        }
        let heeds = request.headers().contains_key(FROM_US);
        let attempts =
            request.headers().get(ATTEMPTS).and_then(|n| n.to_str().ok()?.parse().ok()).unwrap_or(0);
        let queue = match self.queues.find(&request.uri().query().and_then(id).unwrap_or_default()) {
            Found::Here(queue) => queue,
            Found::Over => return gone(heeds),
            Found::Unknown => return unknown(heeds),
        };
        let (room, envelope) = match self.read(&queue, request).await {
            Ok(read) => read,
            Err(reply) => return reply,
        };
        match envelope.headers.get(Envelope::TOPIC) {
            None | Some("") => return go_error(StatusCode::INTERNAL_SERVER_ERROR, "Topic not found"),
            Some(topic) if topic != queue.topic => return unknown(heeds),
            Some(_) => {}
        }
        let waiting = Waiting { envelope, attempts, heeds, answer: None, _room: Some(room) };
        match queue.guarantee {
            Guarantee::AtMostOnce => match queue.offer(waiting) {
                Ok(()) => empty(StatusCode::ACCEPTED),
                Err(NotTaken::Over) => gone(heeds),
                Err(NotTaken::Full) => {
                    self.dropped.fetch_add(1, Ordering::Relaxed);
                    busy()
                }
            },
            Guarantee::AtLeastOnce => {
                let (answer, answered) = oneshot::channel();
                match queue.offer(Waiting { answer: Some(answer), ..waiting }) {
                    Ok(()) => reply(answered.await.unwrap_or(Answer::Over), heeds, queue.has_group()),
                    Err(NotTaken::Over) => gone(heeds),
                    Err(NotTaken::Full) => busy(),
                }
            }
        }
    }

    /// Reads an event, when there is room for it.
    async fn read(
        &self,
        queue: &Queue,
        request: Request<Incoming>,
    ) -> Result<(OwnedSemaphorePermit, Envelope), Reply> {
        let heeds = request.headers().contains_key(FROM_US);
        let body = request.into_body();
        let length = body.size_hint().exact().unwrap_or(self.largest_request as u64);
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > self.largest_request {
            return Err(self.too_large());
        }
        let room = timeout(PATIENCE, queue.room.clone().acquire_many_owned(kib(length))).await;
        let mut room = match room {
            Ok(Ok(room)) => room,
            Ok(Err(_)) => return Err(gone(heeds)),
            Err(_) => return Err(busy()),
        };
        let body = match timeout(PATIENCE, Limited::new(body, self.largest_request).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => return Err(self.too_large()),
            Ok(Err(error)) => {
                return Err(go_error(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &format!("Error reading request body: {error}"),
                ));
            }
            Err(_) => {
                let limit = humantime::format_duration(PATIENCE);
                return Err(go_error(
                    StatusCode::REQUEST_TIMEOUT,
                    &format!("the event was not sent within {limit}"),
                ));
            }
        };
        // One that did not say how long it is may have taken too much.
        let needed = kib(body.len()) as usize;
        drop(room.split(room.num_permits().saturating_sub(needed)));
        let envelope = envelope_json::read(&body).map_err(|error| {
            let text = format!("Error parsing request body: {}", error.message());
            go_error(StatusCode::INTERNAL_SERVER_ERROR, &text)
        })?;
        if envelope.body.len() > self.largest_event {
            return Err(self.too_large());
        }
        Ok((room, envelope))
    }

    #[cold]
    fn too_large(&self) -> Reply {
        let text =
            format!("the event is larger than {} bytes, which is the most that is taken", self.largest_event);
        go_error(StatusCode::PAYLOAD_TOO_LARGE, &text)
    }
}

/// The id of the subscription in a query.
fn id(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("id="))?;
    Some(percent_decode_str(value).decode_utf8().ok()?.into_owned())
}

fn reply(answer: Answer, heeds: bool, has_group: bool) -> Reply {
    match answer {
        Answer::Acknowledged => empty(StatusCode::OK),
        Answer::Refused(error) if heeds => {
            let said = json!({ "code": error.code().as_str(), "message": error.message() });
            json_reply(StatusCode::UNPROCESSABLE_ENTITY, &said)
        }
        Answer::Refused(error) => go_error(StatusCode::INTERNAL_SERVER_ERROR, error.message()),
        Answer::Returned => {
            let mut reply = empty(StatusCode::SERVICE_UNAVAILABLE);
            reply.headers_mut().insert(ATTEMPTS, HeaderValue::from_static("1"));
            reply
        }
        Answer::Over if has_group => empty(StatusCode::SERVICE_UNAVAILABLE),
        Answer::Over => gone(heeds),
    }
}

/// There never was such a subscription.
fn unknown(heeds: bool) -> Reply {
    empty(if heeds { StatusCode::NOT_FOUND } else { StatusCode::OK })
}

/// The subscription is over. A publisher that does not heed the answer is told what go-micro tells it.
fn gone(heeds: bool) -> Reply {
    empty(if heeds { StatusCode::GONE } else { StatusCode::OK })
}

/// There is no room for it now.
fn busy() -> Reply {
    let mut reply = empty(StatusCode::SERVICE_UNAVAILABLE);
    reply.headers_mut().insert(RETRY_AFTER, AGAIN);
    reply
}

fn empty(status: StatusCode) -> Reply {
    let mut reply = Response::new(Full::default());
    *reply.status_mut() = status;
    reply
}

/// An error as go-micro's broker answers it.
#[cold]
fn go_error(status: StatusCode, detail: &str) -> Reply {
    let error = json!({
        "id": "go.micro.broker",
        "code": status.as_u16(),
        "detail": detail,
        "status": status.canonical_reason().unwrap_or_default(),
    });
    json_reply(status, &error)
}

fn json_reply(status: StatusCode, json: &serde_json::Value) -> Reply {
    let mut reply = Response::new(Full::from(json.to_string()));
    *reply.status_mut() = status;
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    reply
}

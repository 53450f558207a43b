use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::Deserialize;
use tokio::time::timeout;

use super::targets::Lane;
use super::wire::{ATTEMPTS, FROM_US};
use crate::error::{Code, Error};

/// How long a connection may take to be made.
const CONNECT_LIMIT: Duration = Duration::from_secs(5);

/// After how much silence the other side is asked whether it is still there, how often, and how many questions without an answer mean that
/// it is not: a host that vanished is noticed within half a minute.
const SILENCE: Duration = Duration::from_secs(15);
const QUESTIONS_EVERY: Duration = Duration::from_secs(5);
const QUESTIONS: u32 = 3;

/// How long a connection is kept that is not used; less than any listener keeps one.
const IDLE: Duration = Duration::from_secs(30);

/// The largest answer that is looked at.
const LARGEST_ANSWER: usize = 64 << 10;

/// How much of what a subscriber says is repeated in an error.
const LONGEST_REASON: usize = 300;

/// Sends events.
#[derive(Debug)]
pub(super) struct Post {
    client: Client<HttpConnector, Full<Bytes>>,
    answer_limit: Duration,
}

/// What became of an event that was sent.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is acknowledged, or taken where nothing is acknowledged.
    Done,
    /// The subscription is over: it said so.
    Gone,
    /// It is somebody else who answers there.
    Stranger,
    /// It was not looked at: there was no room, or the subscription was just ending.
    Busy,
    /// It was in hand, and is given back.
    Returned,
    /// The subscriber cannot handle it, or does not understand it.
    Refused(Error),
    /// Nobody could be connected to.
    Unreached(String),
    /// Nobody listens there.
    Closed(String),
    /// The connection ended, or there was no answer in time. Whether the event was in hand is not known.
    Broken(String),
}

impl Post {
    pub(super) fn new(in_flight: usize, answer_limit: Duration) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_LIMIT));
        connector.set_keepalive(Some(SILENCE));
        connector.set_keepalive_interval(Some(QUESTIONS_EVERY));
        connector.set_keepalive_retries(Some(QUESTIONS));
        // Where something is on its way nobody is asked, and it would be sent again for a quarter of an hour.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        connector.set_tcp_user_timeout(Some(SILENCE + QUESTIONS_EVERY * QUESTIONS));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(in_flight)
            .build(connector);
        Self { client, answer_limit }
    }

    /// Sends an event and waits for what becomes of it.
    pub(super) async fn send(&self, lane: &Lane, event: Bytes, attempts: u32) -> Outcome {
        let mut request = Request::post(lane.uri.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(FROM_US, HeaderValue::from_static("1"));
        if attempts > 0 {
            request = request.header(ATTEMPTS, attempts);
        }
        let request = match request.body(Full::new(event)) {
            Ok(request) => request,
            Err(error) => return Outcome::Unreached(error.to_string()),
        };
        let answered = async {
            let answer = match self.client.request(request).await {
                Ok(answer) => answer,
                Err(error) if is_refused(&error) => return Outcome::Closed(innermost(&error)),
                Err(error) if error.is_connect() => return Outcome::Unreached(innermost(&error)),
                Err(error) => return Outcome::Broken(innermost(&error)),
            };
            let (head, body) = answer.into_parts();
            // All of it is read, for the next request on this connection.
            match Limited::new(body, LARGEST_ANSWER).collect().await {
                Ok(body) => outcome(&Response::from_parts(head, body.to_bytes()), lane),
                Err(_) if head.status.is_success() => Outcome::Done,
                Err(error) => Outcome::Broken(error.to_string()),
            }
        };
        timeout(self.answer_limit, answered).await.unwrap_or_else(|_| {
            Outcome::Broken(format!("no answer within {}", humantime::format_duration(self.answer_limit)))
        })
    }
}

/// What a subscriber without room says, and a proxy in between that does not reach it.
const BUSY: [StatusCode; 5] = [
    StatusCode::SERVICE_UNAVAILABLE,
    StatusCode::REQUEST_TIMEOUT,
    StatusCode::BAD_GATEWAY,
    StatusCode::GATEWAY_TIMEOUT,
    StatusCode::TOO_MANY_REQUESTS,
];

/// Whether the other side said that nobody listens there.
fn is_refused(error: &(dyn std::error::Error + 'static)) -> bool {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let mut inputs = causes.filter_map(|cause| cause.downcast_ref::<std::io::Error>());
    inputs.any(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
}

/// What an answer says.
fn outcome(answer: &Response<Bytes>, lane: &Lane) -> Outcome {
    let header = |name: &str| answer.headers().get(name)?.to_str().ok()?.parse().ok();
    let is_of_proxy = || BUSY.contains(&answer.status());
    if lane.acknowledges && !answer.headers().contains_key(FROM_US) && !is_of_proxy() {
        return Outcome::Stranger;
    }
    match answer.status() {
        StatusCode::NOT_FOUND if lane.acknowledges => Outcome::Stranger,
        status if status.is_success() => Outcome::Done,
        StatusCode::GONE => Outcome::Gone,
        StatusCode::SERVICE_UNAVAILABLE if header(ATTEMPTS).is_some_and(|attempts: u32| attempts > 0) => {
            Outcome::Returned
        }
        status if BUSY.contains(&status) => Outcome::Busy,
        StatusCode::UNPROCESSABLE_ENTITY => Outcome::Refused(refused(answer.body(), lane)),
        status => {
            let code = match status {
                StatusCode::PAYLOAD_TOO_LARGE => Code::InvalidArgument,
                // Those of a proxy that is in between.
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Code::PermissionDenied,
                _ => Code::Internal,
            };
            let (said, at) = (reason(answer.body()), lane.address());
            Outcome::Refused(Error::new(code, format!("the subscriber at {at} answers {status}: {said}")))
        }
    }
}

/// The error of a subscriber that cannot handle an event.
fn refused(body: &[u8], lane: &Lane) -> Error {
    #[derive(Deserialize)]
    struct Said {
        code: String,
        message: String,
    }
    match serde_json::from_slice::<Said>(body) {
        Ok(Said { code, message }) => {
            let code = code.parse().unwrap_or(Code::Unknown);
            Error::new(code, format!("the subscriber at {} cannot handle it: {message}", lane.address()))
        }
        Err(_) => {
            Error::unknown(format!("the subscriber at {} cannot handle it: {}", lane.address(), reason(body)))
        }
    }
}

fn reason(body: &[u8]) -> String {
    String::from_utf8_lossy(body).trim().chars().take(LONGEST_REASON).collect()
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::error::{Error, Result};

/// How long a request may take, beside the time that the agent was asked to wait.
const PATIENCE: Duration = Duration::from_secs(5);

/// The largest answer that is taken: some ten thousand nodes of a service with all of their endpoints.
const LARGEST_ANSWER: usize = 64 << 20;

/// How much of what the agent says is repeated in an error.
const LONGEST_REASON: usize = 300;

/// The HTTP API of an agent. Connections are made when they are needed.
pub(super) struct Http {
    /// `host:port`.
    pub(super) address: String,
    token: Option<HeaderValue>,
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What the agent says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// The number of what the answer shows, for the next request that waits for something newer.
    pub(super) index: u64,
    body: Bytes,
}

impl Http {
    pub(super) fn new(address: String, token: Option<HeaderValue>) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(PATIENCE));
        let client = Client::builder(TokioExecutor::new()).pool_timer(TokioTimer::new()).build(connector);
        Self { address, token, client }
    }

    pub(super) async fn get(&self, what: &str, path: &str) -> Result<Answer> {
        self.send(what, Method::GET, path, Bytes::new(), Duration::ZERO).await
    }

    /// Asks for an answer that is there after up to so much time.
    pub(super) async fn wait(&self, what: &str, path: &str, wait: Duration) -> Result<Answer> {
        self.send(what, Method::GET, path, Bytes::new(), wait).await
    }

    pub(super) async fn put(&self, what: &str, path: &str, body: impl Into<Bytes>) -> Result<Answer> {
        self.send(what, Method::PUT, path, body.into(), Duration::ZERO).await
    }

    async fn send(
        &self,
        what: &str,
        method: Method,
        path: &str,
        body: Bytes,
        wait: Duration,
    ) -> Result<Answer> {
        // A connection that was kept may have ended with an agent that is back by now. All that is asked here can be asked
        // twice, but for what waits: who follows an agent has to know that it is another one.
        match timeout(PATIENCE + wait, self.send_once(&method, path, body.clone())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) if !wait.is_zero() => Err(self.not_reached(what, error)),
            Ok(Err(_)) => match timeout(PATIENCE, self.send_once(&method, path, body)).await {
                Ok(sent) => sent.map_err(|error| self.not_reached(what, error)),
                Err(error) => Err(self.not_reached(what, error.into())),
            },
            Err(error) => Err(self.not_reached(what, error.into())),
        }
    }

    async fn send_once(&self, method: &Method, path: &str, body: Bytes) -> Result<Answer, Failure> {
        let mut request = Request::builder().method(method).uri(format!("http://{}{path}", self.address));
        if let Some(token) = &self.token {
            request = request.header("x-consul-token", token);
        }
        let answer = self.client.request(request.body(Full::new(body))?).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST_ANSWER).collect().await?.to_bytes();
        Ok(Answer { status: head.status, index: index(&head.headers), body })
    }

    #[cold]
    fn not_reached(&self, what: &str, failure: Failure) -> Error {
        let mut innermost: &dyn std::error::Error = &*failure;
        while let Some(source) = innermost.source() {
            innermost = source;
        }
        Error::unavailable(format!(
            "cannot {what}: the Consul agent is not reached at {} ({innermost}): start it there, or set MICRO_REGISTRY_ADDRESS to \
             where it is",
            self.address
        ))
        .with_source(failure)
    }
}

type Failure = Box<dyn std::error::Error + Send + Sync>;

impl Answer {
    /// The content of an answer that is one.
    pub(super) fn json<T: DeserializeOwned>(&self, what: &str) -> Result<T> {
        self.ok(what)?;
        serde_json::from_slice(&self.body).map_err(|error| {
            Error::unavailable(format!(
                "cannot {what}: the answer of the Consul agent cannot be read: {error}"
            ))
            .with_source(error)
        })
    }

    /// Fails where the agent refused.
    pub(super) fn ok(&self, what: &str) -> Result<()> {
        if self.status.is_success() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&self.body).trim().chars().take(LONGEST_REASON).collect();
        let status = self.status;
        let text = format!("cannot {what}: the Consul agent says {status}, `{said}`");
        Err(match status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => Error::permission_denied(format!(
                "{text}: set CONSUL_HTTP_TOKEN to a token that may read and write services"
            )),
            StatusCode::BAD_REQUEST => Error::invalid_argument(text),
            StatusCode::NOT_FOUND => Error::not_found(text),
            _ => Error::unavailable(text),
        })
    }
}

fn index(headers: &HeaderMap) -> u64 {
    headers.get("x-consul-index").and_then(|index| index.to_str().ok()?.parse().ok()).unwrap_or_default()
}

/// Shows no token.
impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("address", &self.address).finish_non_exhaustive()
    }
}

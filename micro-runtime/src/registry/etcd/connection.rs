use std::error::Error as _;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tonic::transport::Endpoint;
use tonic::{Code as Number, Status};

use super::api::Api;
use super::record;
use crate::error::{Code, Error, Result};

/// How long an operation may take, however many endpoints it tries. go-micro has the same.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a connection may be silent until it is asked for a sign of life, and how long that may take. etcd ends connections
/// that ask more often than every five seconds (`--grpc-keepalive-min-time`), or while nothing is asked or watched.
const SILENCE: Duration = Duration::from_secs(6);
const SIGN_OF_LIFE: Duration = Duration::from_secs(3);

/// Where etcd is, and what it wants to know.
#[derive(Clone)]
pub(super) struct Settings {
    /// URLs, at least one.
    pub(super) endpoints: Vec<String>,
    pub(super) credentials: Option<(String, String)>,
    #[cfg(feature = "tls")]
    pub(super) tls: Tls,
}

/// What endpoints with `https://` are called with, in PEM.
#[cfg(feature = "tls")]
#[derive(Clone, Default)]
pub(super) struct Tls {
    pub(super) roots: Option<Vec<u8>>,
    pub(super) identity: Option<(Vec<u8>, Vec<u8>)>,
}

/// The connection to one of the endpoints, made when it is first used.
pub(super) struct Connection {
    pub(super) settings: Settings,
    current: Mutex<Current>,
}

#[derive(Default)]
struct Current {
    /// The number of the endpoint in use.
    endpoint: usize,
    api: Option<Api>,
    /// Grows with every connection and every failure, which tells a failure of this connection from one of a former.
    count: u64,
}

/// A connection in use.
#[derive(Clone)]
pub(super) struct Use {
    pub(super) api: Api,
    count: u64,
    is_new: bool,
}

impl Connection {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, current: Mutex::default() }
    }

    /// Asks etcd, and another endpoint where one is not reached. So what is asked must do no harm when it is done twice.
    pub(super) async fn call<T, F>(&self, what: &str, ask: impl Fn(Use) -> F) -> Result<T>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let end = Instant::now() + PATIENCE;
        let mut left = self.settings.endpoints.len();
        loop {
            let share = u32::try_from(left.max(1)).unwrap_or(u32::MAX);
            let limit = end.saturating_duration_since(Instant::now()) / share;
            let mut used = None;
            let trying = async {
                let using = self.connected().await?;
                used = Some((using.count, using.is_new));
                ask(using).await
            };
            let status = timeout(limit, trying).await;
            let (count, is_new) = used.unzip();
            let is_new = is_new.unwrap_or(true);
            let status = match status {
                Ok(Ok(answer)) => return Ok(answer),
                // A token that expired, or that is of an etcd that was started anew, is renewed with the connection.
                Ok(Err(status)) if is_lost(&status) || (is_old_token(&status) && !is_new) => status,
                Ok(Err(status)) => return Err(refused(what, status)),
                Err(_) => Status::deadline_exceeded(format!("no answer within {limit:?}")),
            };
            let endpoint = self.failed(count);
            // A connection that was of use before may have ended with a server that is back by now, so that does not count.
            left -= usize::from(is_new);
            if left == 0 || Instant::now() >= end {
                return Err(not_reached(what, &endpoint, status));
            }
        }
    }

    /// Does not use this connection again; the endpoint after it comes next.
    pub(super) fn lost(&self, used: &Use) {
        self.failed(Some(used.count));
    }

    /// The connection in use, or a new one.
    async fn connected(&self) -> Result<Use, Status> {
        let (url, count) = {
            let current = self.current();
            if let Some(api) = &current.api {
                return Ok(Use { api: api.clone(), count: current.count, is_new: false });
            }
            (self.url(&current).to_owned(), current.count)
        };
        let channel = self.endpoint(&url)?.connect().await;
        let mut api = Api::new(channel.map_err(|error| Status::from_error(Box::new(error)))?);
        if let Some((name, password)) = &self.settings.credentials {
            match api.authenticate(name, password).await {
                // It asks nobody who they are, and so it needs no token.
                Err(status) if status.message().contains("authentication is not enabled") => {}
                authenticated => authenticated?,
            }
        }
        let mut current = self.current();
        // Of two that connected at the same time, one is kept.
        if current.count == count {
            current.count += 1;
            current.api = Some(api.clone());
        }
        Ok(Use { api, count: current.count, is_new: true })
    }

    fn endpoint(&self, url: &str) -> Result<Endpoint, Status> {
        let wrong = |error: tonic::transport::Error| {
            Status::invalid_argument(format!("`{url}`: {}", innermost(&error)))
        };
        let endpoint = Endpoint::from_shared(url.to_owned())
            .map_err(wrong)?
            .connect_timeout(PATIENCE)
            .http2_keep_alive_interval(SILENCE)
            .keep_alive_timeout(SIGN_OF_LIFE)
            .keep_alive_while_idle(false)
            .tcp_nodelay(true);
        #[cfg(feature = "tls")]
        if url.starts_with("https://") {
            return endpoint.tls_config(self.settings.tls.config()).map_err(wrong);
        }
        Ok(endpoint)
    }

    /// Turns to the next endpoint, unless somebody did already, and says which one failed.
    fn failed(&self, count: Option<u64>) -> String {
        let mut current = self.current();
        let url = self.url(&current).to_owned();
        if count.is_none_or(|count| count == current.count) {
            current.api = None;
            current.endpoint = (current.endpoint + 1) % self.settings.endpoints.len().max(1);
            current.count += 1;
        }
        url
    }

    fn url(&self, current: &Current) -> &str {
        self.settings.endpoints.get(current.endpoint).map_or("", String::as_str)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "tls")]
impl Tls {
    fn config(&self) -> tonic::transport::ClientTlsConfig {
        use tonic::transport::{Certificate, ClientTlsConfig, Identity};

        let config = match &self.roots {
            Some(pem) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem)),
            None => ClientTlsConfig::new().with_native_roots(),
        };
        match &self.identity {
            Some((chain, key)) => config.identity(Identity::from_pem(chain, key)),
            None => config,
        }
    }
}

/// Whether the failure is that of the connection, or of the member behind it, and another may do better.
pub(super) fn is_lost(status: &Status) -> bool {
    use Number::{Cancelled, DeadlineExceeded, Internal, Unavailable, Unknown};
    matches!(status.code(), Cancelled | DeadlineExceeded | Internal | Unavailable | Unknown)
}

fn is_old_token(status: &Status) -> bool {
    let is = |reason| status.message().contains(reason);
    status.code() == Number::Unauthenticated
        || is("invalid auth token")
        // Users or roles changed since a token that has all in it (JWT).
        || is("revision of auth store is old")
        // There is no token because there was no authentication before.
        || is("user name is empty")
}

/// etcd was asked, and does not do it.
#[cold]
pub(super) fn refused(what: &str, status: Status) -> Error {
    let reason = status.message();
    let is_about_who = matches!(status.code(), Number::Unauthenticated | Number::PermissionDenied)
        // What etcd says to those with a wrong password, or none, has the code of a wrong argument.
        || reason.contains("authentication failed")
        || reason.contains("user name is empty");
    let error = if is_about_who {
        Error::unauthenticated(format!(
            "cannot {what}: etcd says `{reason}`: set ETCD_USERNAME and ETCD_PASSWORD to a user who may read and write `{}`",
            record::ALL
        ))
    } else {
        let code = u32::try_from(status.code() as i32).ok().and_then(Code::from_number);
        Error::new(code.unwrap_or(Code::Unavailable), format!("cannot {what}: etcd says `{reason}`"))
    };
    error.with_source(status)
}

#[cold]
fn not_reached(what: &str, endpoint: &str, status: Status) -> Error {
    let reason = match status.source() {
        Some(source) => innermost(source),
        None => status.message().to_owned(),
    };
    Error::unavailable(format!(
        "cannot {what}: etcd is not reached at {endpoint} ({reason}): start it there, or set MICRO_REGISTRY_ADDRESS to where it is"
    ))
    .with_source(status)
}

/// The innermost reason is the one that tells something: `connection refused`.
fn innermost(mut error: &(dyn std::error::Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// Shows no password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("endpoints", &self.settings.endpoints).finish_non_exhaustive()
    }
}

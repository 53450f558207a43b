//! Service discovery over NATS, as go-micro's programs do it.

mod link;
mod members;
mod message;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::Mutex;

use self::members::Members;
use self::message::Action;
use self::session::Session;
use super::{Registration, Registry, ServiceRecord, Watch};
use crate::error::Result;
use crate::nats::Settings;

/// Discovery over a NATS server, in go-micro's format: Go and Rust nodes see each other.
///
/// The server keeps nothing. Nodes say when they come and go, on the subject `micro.nats.watch`, and answer questions for
/// them, on `micro.nats.query`; whoever watches listens, and asks again now and then. It takes any NATS server, from 2.2, without
/// JetStream.
///
/// * A watch has its whole answer when the time for answers is over, after 100 ms, which is go-micro's.
/// * A node that is not renewed for its `ttl` takes itself back. One whose process is killed stops answering: it is asked every 10
///   seconds (8 to 12), and is gone after three questions without an answer, so after 16 to 36 seconds. A client that finds that a node
///   refuses connections has it asked at once, three times within a second.
/// * When the connection is lost, watches end, and it is made again with pauses of up to 2 seconds. What was known
///   before stays known: for the first 10 seconds after, silence of a node is not counted, since it may have lost its
///   connection too; then it is asked three times, a second apart. Own nodes are announced again at once.
/// * A node that is taken back while there is no connection is gone here at once, and deregistering it is an error. Others are told when
///   the connection is there again, or when it is deregistered again.
/// * A node that is registered with an id that another process has is its successor: that process no longer answers for it.
/// * Records have up to the payload limit of the server, 1 MiB unless it is changed.
/// * Constructing it connects to nothing. Clones are the same registry, and the last one to be dropped takes the nodes back
///   that are still registered.
///
/// Everybody who may use the server can say anything there. Give the users of the server the right to publish and
/// subscribe to `micro.nats.>` and `_INBOX.>`, and nobody else.
#[derive(Clone, Debug)]
pub struct Nats(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    members: Arc<Members>,
    session: Mutex<Option<Arc<Session>>>,
}

impl Nats {
    /// Where a server is looked for unless somebody says where it is.
    pub const DEFAULT_ADDRESS: &str = "nats://127.0.0.1:4222";

    /// The server at 127.0.0.1:4222.
    pub fn new() -> Self {
        Self::with(Settings::parse(Self::DEFAULT_ADDRESS).unwrap_or_default())
    }

    /// These servers, which are of one cluster, with commas between them: `nats://host:4222`, or `host`; with TLS, `tls://host`.
    ///
    /// With `nats://user:password@host` or `nats://token@host` it says who it is, to all of them. An address that
    /// cannot be one is `invalid_argument`; the error does not show what is before the `@`.
    ///
    /// ```
    /// use micro_runtime::registry::Nats;
    ///
    /// let registry = Nats::parse("nats://nats-1:4222,nats://nats-2:4222")?;
    /// # Ok::<(), micro_runtime::Error>(())
    /// ```
    pub fn parse(addresses: &str) -> Result<Self> {
        Settings::parse(addresses).map(Self::with)
    }

    /// Says who it is with this file, as `nsc` writes them (`.creds`). It is read
    /// whenever a connection is made, also one that was lost, so it can be renewed in its place.
    pub fn credentials_file(self, path: impl Into<PathBuf>) -> Self {
        self.change(|settings| settings.set_credentials_file(path.into()))
    }

    /// Trusts the certificate authorities in this file, in PEM, beside those of the system.
    pub fn root_certificates(self, path: impl Into<PathBuf>) -> Self {
        self.change(|settings| settings.set_root_certificates(path.into()))
    }

    fn change(self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.0.settings.clone();
        change(&mut settings);
        Self::with(settings)
    }

    fn with(settings: Settings) -> Self {
        Self(Arc::new(Inner { settings, members: Arc::default(), session: Mutex::default() }))
    }

    /// The session, which is opened where there is none.
    async fn session(&self) -> Result<Arc<Session>> {
        let mut opened = self.0.session.lock().await;
        if let Some(session) = opened.as_ref().filter(|session| session.is_alive()) {
            return Ok(session.clone());
        }
        let session = Arc::new(Session::open(&self.0.settings, &self.0.members).await?);
        *opened = Some(session.clone());
        Ok(session)
    }
}

impl Default for Nats {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Registry for Nats {
    fn name(&self) -> &'static str {
        "nats"
    }

    async fn register(&self, registration: &Registration, ttl: Duration) -> Result<()> {
        registration.check()?;
        let session = self.session().await?;
        session.link.ready().await?;
        session.link.say(Action::Create, registration.to_record()).await?;
        self.0.members.announce(registration, ttl);
        Ok(())
    }

    async fn deregister(&self, registration: &Registration) -> Result<()> {
        let Some(own) = self.0.members.withdraw(registration) else { return Ok(()) };
        let session = self.session().await?;
        session.link.ready().await?;
        session.link.leave(&own).await
    }

    async fn watch(&self, service: &str) -> Result<Watch> {
        let session = self.session().await?;
        session.link.ready().await?;
        let (watch, watcher, fresh) = self.0.members.watch(service);
        if fresh {
            session.follow(service.to_owned());
        }
        let link = session.link.clone();
        let end = stream::iter(std::iter::once_with(move || Err(link.lost())));
        // The watcher is held as long as the stream is.
        let held = stream::unfold((watch.chain(end), watcher), |(mut watch, watcher)| async move {
            let change = watch.next().await?;
            Some((change, (watch, watcher)))
        });
        Ok(held.boxed())
    }

    async fn services(&self) -> Result<Vec<ServiceRecord>> {
        let session = self.session().await?;
        session.link.ready().await?;
        let mut all = session.link.list().await?;
        all.extend(self.0.members.own().iter().map(|own| (**own).clone()));
        // An own one, and whatever was said last, is at the end.
        all.reverse();
        let mut known = std::collections::HashSet::new();
        all.retain(|node| known.insert((node.service.clone(), node.node.id.clone())));
        all.sort_by(|a, b| (&a.service, &a.version, &a.node.id).cmp(&(&b.service, &b.version, &b.node.id)));
        Ok(ServiceRecord::group(&all))
    }

    fn suspect(&self, registration: &Registration) {
        if let Some(suspicion) = self.0.members.suspicion(&registration.service) {
            suspicion.notify_one();
        }
    }
}

//! The context of a call: its deadline, its cancellation, and the metadata around it.

mod affinity;
mod incoming;
mod origin;
mod priority;
mod values;

use std::fmt;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

pub(crate) use affinity::{hash, mix};
pub(crate) use incoming::{Incoming, ReplyMetadata};
pub(crate) use origin::{Departure, Origin};
use priority::PRIORITY;
pub use priority::Priority;
use values::Values;

use crate::error::{Error, Result};
use crate::event::About;
use crate::metadata::{Metadata, NONE};

/// How many attempts there were before (gRPC proposal A6).
pub(crate) const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";

/// What handlers see as the address of a caller in their process.
pub(crate) const IN_PROCESS: &str = "in-process";

/// What a call carries beside its message. Every handler gets one and hands it to the calls it
/// makes, which so inherit the deadline.
///
/// A context is cheap to clone and never changes; the `with_…` methods make another one.
///
/// ```
/// # use std::time::Duration;
/// # use micro_runtime::Context;
/// let ctx = Context::new().with_timeout(Duration::from_secs(2));
/// assert!(ctx.remaining().unwrap() <= Duration::from_secs(2));
///
/// // A later deadline does not prolong an earlier one.
/// let nested = ctx.with_timeout(Duration::from_secs(60));
/// assert_eq!(nested.deadline(), ctx.deadline());
/// ```
#[derive(Clone, Default)]
pub struct Context {
    deadline: Option<Instant>,
    outgoing: Option<Arc<Metadata>>,
    incoming: Option<Arc<Incoming>>,
    affinity: Option<NonZeroU64>,
    values: Values,
}

impl Context {
    /// A context with no deadline, for code that is not itself serving a call.
    pub const fn new() -> Self {
        Self { deadline: None, outgoing: None, incoming: None, affinity: None, values: Values::NONE }
    }

    pub(crate) fn serving(incoming: Arc<Incoming>, deadline: Option<Instant>) -> Self {
        Self { deadline, outgoing: None, incoming: Some(incoming), affinity: None, values: Values::NONE }
    }

    /// The same context with a deadline `timeout` from now, unless it has an earlier one.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        match Instant::now().checked_add(timeout) {
            Some(deadline) => self.with_deadline(deadline),
            None => self.clone(),
        }
    }

    /// The same context with a deadline, unless it has an earlier one.
    #[must_use]
    pub fn with_deadline(&self, deadline: Instant) -> Self {
        let deadline = self.deadline.map_or(deadline, |known| known.min(deadline));
        Self { deadline: Some(deadline), ..self.clone() }
    }

    /// The same context, held to a deadline unless it has an earlier one.
    pub(crate) fn until(mut self, deadline: Option<Instant>) -> Self {
        self.deadline = match (self.deadline, deadline) {
            (Some(known), Some(deadline)) => Some(known.min(deadline)),
            (known, deadline) => known.or(deadline),
        };
        self
    }

    /// The same context with metadata that is sent with every call made in it, beside what it sends
    /// already.
    pub fn with_metadata(&self, name: &str, value: impl AsRef<[u8]>) -> Result<Self> {
        let mut outgoing = self.outgoing().clone();
        outgoing.append(name, value)?;
        Ok(Self { outgoing: Some(Arc::new(outgoing)), ..self.clone() })
    }

    /// A context as a handler gets it, with this metadata from its caller: for tests that call a
    /// handler directly.
    ///
    /// ```
    /// # use micro_runtime::{Context, Metadata, Result};
    /// let mut metadata = Metadata::new();
    /// metadata.insert("tenant", "acme")?;
    /// let ctx = Context::of_call(metadata);
    /// assert_eq!(ctx.metadata().get("tenant"), Some("acme"));
    /// ctx.set_header("served-by", "me")?;
    /// # Ok::<_, micro_runtime::Error>(())
    /// ```
    pub fn of_call(metadata: Metadata) -> Self {
        Self::serving(Arc::new(Incoming::new(metadata, Origin::of_test())), None)
    }

    /// The same context with a value that is found again by its type. It stays in this process: an
    /// interceptor tells the handler with it who the caller is, for example. A value of the same
    /// type takes the place of the one before.
    ///
    /// ```
    /// # use micro_runtime::Context;
    /// #[derive(Debug, PartialEq)]
    /// struct User(String);
    ///
    /// let ctx = Context::new().with_value(User("ada".to_owned()));
    /// assert_eq!(ctx.value::<User>(), Some(&User("ada".to_owned())));
    /// ```
    #[must_use]
    pub fn with_value<T: Send + Sync + 'static>(&self, value: T) -> Self {
        Self { values: self.values.with(value), ..self.clone() }
    }

    /// The value of this type, if somebody put one in.
    pub fn value<T: 'static>(&self) -> Option<&T> {
        self.values.get()
    }

    /// The same context with a [`Priority`] for the calls that are made in it, in place of the one that they
    /// would have.
    #[must_use]
    pub fn with_priority(&self, priority: Priority) -> Self {
        let mut outgoing = self.outgoing().clone();
        // Both are good: they are made here.
        let _ = outgoing.insert(PRIORITY, priority.as_str());
        Self { outgoing: Some(Arc::new(outgoing)), ..self.clone() }
    }

    /// The priority of the calls that are made in this context: the one that it was given, or else that of the
    /// call it serves. [`Priority::Normal`] where nobody said anything that is one.
    pub fn priority(&self) -> Priority {
        let given = self.outgoing().get(PRIORITY).or_else(|| self.metadata().get(PRIORITY));
        given.and_then(|name| name.parse().ok()).unwrap_or_default()
    }

    /// The same context, sending this as well, and what calls inherit from the one that it serves.
    pub(crate) fn sending(self, metadata: Metadata) -> Self {
        let served = self.metadata().get(PRIORITY);
        if metadata.is_empty() && served.is_none() {
            return self;
        }
        let mut outgoing = self.outgoing().clone();
        if metadata.contains(PRIORITY) {
            outgoing.remove(PRIORITY);
        } else if let Some(priority) = served.filter(|_| !outgoing.contains(PRIORITY)) {
            // It was checked when it came in.
            let _ = outgoing.append(PRIORITY, priority);
        }
        outgoing.extend(metadata);
        Self { outgoing: Some(Arc::new(outgoing)), ..self }
    }

    /// When the answer is no longer of use.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The time left until the deadline; zero when it has passed.
    pub fn remaining(&self) -> Option<Duration> {
        self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// The metadata that the caller sent. It is not forwarded to the calls made in this context;
    /// what should go on is named with [`with_metadata`](Self::with_metadata).
    pub fn metadata(&self) -> &Metadata {
        self.incoming.as_ref().map_or(&NONE, |incoming| &incoming.metadata)
    }

    /// How many attempts the caller made before this one that may have been processed; 0 for the first, and
    /// where this context serves no call. It is the metadata `grpc-previous-rpc-attempts`
    /// (gRPC proposal A6).
    ///
    /// A call made in the context of one that is itself a retry is not retried where it may have been
    /// processed: the caller at the top tries again, and not each one on the way.
    pub fn previous_attempts(&self) -> u32 {
        let incoming = self.incoming.as_ref().filter(|incoming| !incoming.metadata.is_empty());
        let said = incoming.and_then(|incoming| incoming.metadata.get(PREVIOUS_ATTEMPTS));
        said.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    }

    /// What belongs to the service that this context serves a call of, where it is of this type.
    pub(crate) fn belonging<T: 'static>(&self) -> Option<&T> {
        self.incoming.as_ref()?.peer.departure.belonging()
    }

    /// The metadata that calls made in this context send.
    pub fn outgoing(&self) -> &Metadata {
        self.outgoing.as_deref().unwrap_or(&NONE)
    }

    /// The address of the caller, where this context serves a call.
    pub fn peer(&self) -> Option<&str> {
        self.incoming.as_ref().map(|incoming| &**incoming.peer)
    }

    /// What is known of the event that this context is of, where it is of one.
    pub(crate) fn event(&self) -> Option<&Arc<About>> {
        self.incoming.as_ref()?.event.as_ref()
    }

    /// Whether the caller is in this process.
    pub(crate) fn is_in_process(&self) -> bool {
        self.peer() == Some(IN_PROCESS)
    }

    /// Sends metadata in front of the answer. The headers of a stream are on their way as soon as
    /// its handler first waits for anything but the first message of its caller; it is an error to
    /// set one after that.
    pub fn set_header(&self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        let mut reply = self.reply("header")?.lock();
        if reply.headers_sent {
            return Err(Error::failed_precondition(format!(
                "the headers of the answer are sent already: set `{name}` before the first await, or right \
                 after the caller's first message, or as a trailer"
            )));
        }
        reply.headers.append(name, value)
    }

    /// Sends metadata behind the answer.
    pub fn set_trailer(&self, name: &str, value: impl AsRef<[u8]>) -> Result<()> {
        self.reply("trailer")?.lock().trailers.append(name, value)
    }

    /// The headers and the trailers that were set so far.
    pub(crate) fn reply_so_far(&self) -> (Metadata, Metadata) {
        self.incoming.as_ref().map_or_else(Default::default, |incoming| {
            let reply = incoming.reply.lock();
            (reply.headers.clone(), reply.trailers.clone())
        })
    }

    fn reply(&self, what: &str) -> Result<&ReplyMetadata> {
        self.incoming.as_ref().map(|incoming| &incoming.reply).ok_or_else(|| {
            Error::failed_precondition(format!(
                "there is no answer to set a {what} on: this context serves no call"
            ))
        })
    }

    /// The same context with an answer and an end of its own: it is not over when the caller goes away, but when
    /// [`end_apart`](Self::end_apart) says so.
    pub(crate) fn apart(&self) -> Self {
        let incoming = self.incoming.as_ref().map(|incoming| {
            let mut apart = Incoming::new(incoming.metadata.clone(), incoming.peer.clone());
            apart.event = incoming.event.clone();
            Arc::new(apart)
        });
        Self { incoming, ..self.clone() }
    }

    /// Says that what a context of its own is for is over.
    pub(crate) fn end_apart(&self) {
        if let Some(incoming) = &self.incoming {
            incoming.end();
        }
    }

    /// Whether the service that this call is in stops: it takes no new calls, and waits for those in flight.
    ///
    /// It is `false` in a context that serves no call.
    pub fn is_stopping(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.peer.departure.has_begun())
    }

    /// Waits until the service that this call is in stops, and so for ever in a context that serves no call.
    ///
    /// It is for streams without an end. When this returns, the service has left the registry and takes no new
    /// calls: whoever calls again gets another node. A stream that ends now, with an `unavailable` error that tells
    /// its client to call again, does not hold the stop up, and is not cut off in the middle of something when the
    /// [drain timeout](crate::Service::drain_timeout) is over.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use micro_runtime::{Context, Error, Result, Sender};
    /// async fn ticks(ctx: &Context, out: &mut Sender<u64>) -> Result<()> {
    ///     for tick in 0.. {
    ///         tokio::select! {
    ///             () = tokio::time::sleep(Duration::from_secs(1)) => out.send(tick).await?,
    ///             () = ctx.stopping() => return Err(Error::unavailable("this node stops: call again")),
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn stopping(&self) {
        match &self.incoming {
            Some(incoming) => incoming.peer.departure.begun().await,
            None => std::future::pending().await,
        }
    }

    /// Whether the call that this context serves is over: it was answered, its caller went away,
    /// or its deadline passed.
    pub fn is_cancelled(&self) -> bool {
        self.incoming.as_ref().is_some_and(|incoming| incoming.is_over())
    }

    /// Waits until the call that this context serves is over.
    ///
    /// A handler does not need it: its future is dropped when the caller goes away. It is for the
    /// tasks that a handler spawned.
    pub async fn cancelled(&self) {
        match &self.incoming {
            Some(incoming) => incoming.over().await,
            None => std::future::pending().await,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("remaining", &self.remaining())
            .field("metadata", self.metadata())
            .field("outgoing", self.outgoing())
            .field("peer", &self.peer())
            .finish()
    }
}

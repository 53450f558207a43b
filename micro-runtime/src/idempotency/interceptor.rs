use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::fingerprint;
use super::key::{KEY, check};
use super::record::Record;
use super::running::{Apart, Held, pass_on};
use super::store::{Begun, KeyStore};
use crate::call::{Interceptor, Invocation, Next, Payload};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// How long an answer is kept, unless set.
const KEEP: Duration = Duration::from_secs(24 * 60 * 60);

/// How long a node has a key, unless set or the call has longer.
const LEASE: Duration = Duration::from_secs(60);

/// What a lease is longer than the time of its call.
const MARGIN: Duration = Duration::from_secs(5);

/// How long a repeated call waits for the first one, unless set.
const WAIT: Duration = Duration::from_secs(10);

/// The first and the longest pause between two looks at a key that another call has.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// The header of an answer that was given before.
const REPLAYED: &str = "idempotent-replayed";

type Scope = Arc<dyn Fn(&Context) -> String + Send + Sync>;

/// Does what a key names once: an [`Interceptor`] for [`Service::intercept`](crate::Service::intercept).
///
/// A call that has the metadata `idempotency-key` runs where the key is new, and its answer is kept with the key
/// and with the method. A call with the same key gets
///
/// | Where | it gets |
/// |---|---|
/// | the first one was answered | the same answer with the same metadata, and the header `idempotent-replayed: true` |
/// | the first one still runs | its answer, once it is there; `aborted` (HTTP 409) where that takes over [`wait`](Self::wait) |
/// | its request is another one | `invalid_argument` |
/// | the answer is older than [`keep`](Self::keep) | run |
///
/// An error is an answer as well where the handler has decided: `invalid_argument`, `not_found`, `already_exists`,
/// `failed_precondition` and `out_of_range` are kept. After any other error or a panic the key is free, and the call can
/// be made again: it did not come to an end. What it did until then it may do once more, so a handler still
/// writes what it does in one transaction. The key of a node that died is free after its [`lease`](Self::lease).
///
/// A caller that goes away, or whose deadline passes, does not stop what has begun: it may call again, and hears then how
/// it ended. So the handler of a call with a key runs in a task of its own. It has [`lease`](Self::lease) to
/// come to an end once nobody waits for it, and its context keeps the deadline, so that what it calls ends in time.
/// No more than 1,024 run so at a time: what comes above that is dropped with its caller, like a call without a
/// key. They do not count against the limits of a [`Protection`](crate::admission::Protection), and a service that
/// stops does not wait for them.
///
/// Calls without a key run as ever. A call that streams cannot have one, and is refused with `invalid_argument`.
///
/// Who knows a key gets its answer: keys are random, or callers are told apart with [`scope`](Self::scope). Add this
/// behind the interceptor that checks who calls.
#[derive(Clone)]
pub struct Idempotency {
    store: Arc<dyn KeyStore>,
    keep: Duration,
    lease: Duration,
    wait: Duration,
    compare: bool,
    required: Arc<BTreeSet<String>>,
    scope: Option<Scope>,
    apart: Apart,
    counts: Arc<Tally>,
}

/// What became of calls with a key, see [`Idempotency::counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KeyCounts {
    /// Calls that ran, because their key was new or free.
    pub ran: u64,
    /// Calls that were answered with what was kept.
    pub replayed: u64,
    /// Calls that found another one with their key running, whatever became of them.
    pub waited: u64,
    /// Calls that were refused: without a key where there must be one, with a key that was used for
    /// another request, or because the first one took too long.
    pub refused: u64,
    /// Answers that could not be kept, or answers that came when their lease was over: who asks again does
    /// not get them.
    pub lost: u64,
}

#[derive(Debug, Default)]
struct Tally {
    ran: AtomicU64,
    replayed: AtomicU64,
    waited: AtomicU64,
    refused: AtomicU64,
    lost: Arc<AtomicU64>,
}

impl Idempotency {
    /// Keeps keys and answers in this store.
    pub fn new(store: impl KeyStore) -> Self {
        let counts = Arc::<Tally>::default();
        Self {
            store: Arc::new(store),
            keep: KEEP,
            lease: LEASE,
            wait: WAIT,
            compare: true,
            required: Arc::default(),
            scope: None,
            apart: Apart::new(LEASE, counts.lost.clone()),
            counts,
        }
    }

    /// How long an answer is kept; a day unless set. Longer than any caller goes on trying.
    #[must_use]
    pub fn keep(mut self, time: Duration) -> Self {
        self.keep = time;
        self
    }

    /// How long a node that may have died keeps its key; 60 s unless set. It is renewed three times as often while
    /// the call runs, so a handler may take longer, unless it blocks its thread. It is also how long a handler
    /// goes on whose caller has gone away.
    #[must_use]
    pub fn lease(mut self, time: Duration) -> Self {
        self.lease = time;
        self.apart.patience = time;
        self
    }

    /// How long a call waits for another one with its key that still runs; 10 s unless set, and no longer than
    /// its deadline. Nothing at all refuses it at once.
    #[must_use]
    pub fn wait(mut self, time: Duration) -> Self {
        self.wait = time;
        self
    }

    /// Whether a key that comes with another request than the first time is refused. It is unless set. Requests are
    /// compared as JSON; one with a set in it, whose order is of chance, cannot be compared so.
    #[must_use]
    pub fn compare_requests(mut self, yes: bool) -> Self {
        self.compare = yes;
        self
    }

    /// Refuses calls of this method that have no key, with `invalid_argument`. It is named as in errors,
    /// `payments.v1.Payments/Pay`.
    #[must_use]
    pub fn require(mut self, method: impl Into<String>) -> Self {
        let method: String = method.into();
        Arc::make_mut(&mut self.required).insert(method.trim_start_matches('/').to_owned());
        self
    }

    /// Whose keys they are: the same key in another scope is another one. The account of the caller, where an
    /// interceptor in front of this found out.
    ///
    /// ```
    /// # use micro_runtime::idempotency::{Idempotency, MemoryKeys};
    /// struct Account(String);
    ///
    /// let once = Idempotency::new(MemoryKeys::new())
    ///     .scope(|ctx| ctx.value::<Account>().map(|account| account.0.clone()).unwrap_or_default());
    /// ```
    #[must_use]
    pub fn scope(mut self, scope: impl Fn(&Context) -> String + Send + Sync + 'static) -> Self {
        self.scope = Some(Arc::new(scope));
        self
    }

    /// What became of calls with a key so far, together with all clones of this.
    pub fn counts(&self) -> KeyCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let Tally { ran, replayed, waited, refused, lost } = &*self.counts;
        KeyCounts {
            ran: get(ran),
            replayed: get(replayed),
            waited: get(waited),
            refused: get(refused),
            lost: get(lost),
        }
    }

    /// Shows the counts in these metrics, those of the service for example. Clones share them, and are shown
    /// once.
    ///
    /// ```
    /// # use micro_runtime::{Metrics, idempotency::{Idempotency, MemoryKeys}};
    /// let (metrics, once) = (Metrics::new(), Idempotency::new(MemoryKeys::new()));
    /// once.observe(&metrics);
    /// assert_eq!(metrics.snapshot().value("micro_idempotency_ran", &[]), Some(0.0));
    /// ```
    pub fn observe(&self, metrics: &Metrics) {
        metrics.observe(&self.counts, |tally, samples| {
            let counts = [
                ("micro_idempotency_ran", "Calls with a key that ran.", &tally.ran),
                ("micro_idempotency_replayed", "Calls that got an answer that was kept.", &tally.replayed),
                ("micro_idempotency_waited", "Calls that found another one with their key.", &tally.waited),
                (
                    "micro_idempotency_refused",
                    "Calls that were refused because of their key.",
                    &tally.refused,
                ),
                ("micro_idempotency_lost", "Answers that could not be kept.", &tally.lost),
            ];
            for (name, help, count) in counts {
                samples.counter(name, help, &[], count.load(Ordering::Relaxed) as f64);
            }
        });
    }

    /// The key of a call as it is kept: with its method and its scope, and none of the three can be taken for a
    /// part of another one.
    fn key(&self, call: &Invocation, key: &str) -> String {
        let scope = self.scope.as_ref().map(|scope| scope(&call.context)).unwrap_or_default();
        format!("{} {}:{scope} {key}", call.method.path, scope.len())
    }

    #[cold]
    fn refuse(&self, error: Error) -> Error {
        count(&self.counts.refused);
        error
    }

    /// Gets the key for this call, or the answer of another one.
    async fn begin(&self, call: &Invocation, key: String, print: &str) -> Result<Mine> {
        let time = call.context.remaining().map_or(self.lease, |left| self.lease.max(left + MARGIN));
        let until = Instant::now().checked_add(self.wait);
        let mut pause = PAUSES.0;
        let mut waits = false;
        loop {
            let begun = self.store.begin(&key, print, time).await;
            let begun = begun.map_err(|error| error.context("cannot look up the idempotency key"))?;
            match begun {
                Begun::Yours(lease) => {
                    count(&self.counts.ran);
                    return Ok(Mine::Key(Held::new(self.store.clone(), key, lease, time)));
                }
                Begun::Running { fingerprint } | Begun::Done { fingerprint, .. }
                    if self.compare && fingerprint != print =>
                {
                    return Err(self.refuse(Error::invalid_argument(format!(
                        "this `{KEY}` was used for another request: make a new key for each thing to do"
                    ))));
                }
                Begun::Done { answer, .. } => {
                    count(&self.counts.replayed);
                    return Record::read(&answer).map(|record| Mine::Answer(Box::new(record)));
                }
                Begun::Running { .. } => {
                    if !std::mem::replace(&mut waits, true) {
                        count(&self.counts.waited);
                    }
                    if until.is_some_and(|until| Instant::now() >= until) {
                        let error = Error::aborted(format!(
                            "another call with this `{KEY}` still runs: ask again later"
                        ));
                        return Err(self.refuse(error.with_retry_after(PAUSES.1)));
                    }
                    sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }
}

impl Interceptor for Idempotency {
    async fn intercept(&self, call: Invocation, next: Next) -> Result<Payload> {
        let Some(key) = call.context.metadata().get(KEY) else {
            if self.required.is_empty() || !self.required.contains(call.method.path.trim_start_matches('/')) {
                return next.run(call).await;
            }
            return Err(self.refuse(Error::invalid_argument(format!(
                "{}/{} is called with an `{KEY}`: a random UUID for each thing to do",
                call.method.service, call.method.name
            ))));
        };
        let key = check(key).map_err(|error| self.refuse(error))?;
        let Payload::Message(request) = &call.request else { return Err(self.refuse(streams(&call))) };
        if call.method.response.stream {
            return Err(self.refuse(streams(&call)));
        }
        let print = if self.compare { fingerprint::of(request)? } else { String::new() };
        let key = self.key(&call, key);
        match self.begin(&call, key, &print).await? {
            Mine::Key(held) => self.apart.run(call, next, held, self.keep).await,
            Mine::Answer(record) => replay(*record, &call),
        }
    }
}

/// What a call got.
enum Mine {
    Key(Held),
    Answer(Box<Record>),
}

/// Answers as the first time.
fn replay(record: Record, call: &Invocation) -> Result<Payload> {
    pass_on(&call.context, (&record.headers()?, &record.trailers()?))?;
    call.context.set_header(REPLAYED, "true")?;
    record.into_answer(call.method).map(Payload::Message)
}

#[cold]
fn streams(call: &Invocation) -> Error {
    Error::invalid_argument(format!(
        "{}/{} streams, and only calls with one message each way can have an `{KEY}`",
        call.method.service, call.method.name
    ))
}

pub(super) fn count(count: &AtomicU64) {
    count.fetch_add(1, Ordering::Relaxed);
}

impl fmt::Debug for Idempotency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency")
            .field("keep", &self.keep)
            .field("lease", &self.lease)
            .field("wait", &self.wait)
            .field("compare", &self.compare)
            .field("required", &self.required)
            .finish_non_exhaustive()
    }
}

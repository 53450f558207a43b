use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::adaptive::Adaptive;
use super::counts::{Counts, Tally};
use super::gate::{Gate, Shared};
use super::limiter::Limiter;
use super::queue::Queue;
use super::rate::{RateLimit, Rates};
use crate::context::{Context, Priority};
use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};
use crate::metrics::Metrics;

/// How much of a limit a call of each priority may find in use, in percent, the lowest priority first.
const PERCENT: [u8; 4] = [80, 90, 95, 100];

pub(super) type Judge = Arc<dyn Fn(&Context) -> Priority + Send + Sync>;

/// What a service does against too many calls, for [`Service::protect`](crate::Service::protect).
///
/// Nothing is on unless it is set. The services that every server has, health and reflection, are never
/// limited: who asks a busy service whether it lives has to hear that it does. Events for subscribers are
/// not either.
///
/// Clones count together: keep one to see what happened, with [`counts`](Self::counts).
///
/// A handler that calls its own service takes room for both calls. Where such calls are nested as deep as
/// there is room, they wait for each other until their time in the queue is over, and are refused.
#[derive(Clone)]
pub struct Protection {
    max_calls: Option<usize>,
    max_calls_of: BTreeMap<String, usize>,
    queue: Option<(usize, Duration)>,
    percent: [u8; 4],
    adaptive: Option<Adaptive>,
    rate: Option<RateLimit>,
    judge: Option<Judge>,
    tally: Arc<Tally>,
}

impl Protection {
    /// Protects against nothing yet.
    pub fn new() -> Self {
        Self {
            max_calls: None,
            max_calls_of: BTreeMap::new(),
            queue: None,
            percent: PERCENT,
            adaptive: None,
            rate: None,
            judge: None,
            tally: Arc::default(),
        }
    }

    /// How many calls the service runs at a time, of all methods together; at least one. No limit unless set.
    ///
    /// A call runs from when its request is there until its handler has answered, and a stream until its end.
    /// Of the limit a part is kept for what matters more, see [`share`](Self::share).
    #[must_use]
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.max_calls = Some(calls.max(1));
        self
    }

    /// How many calls of one method run at a time, beside the limit of the service; at least one. No limit unless
    /// set. The method is named as in errors, `greeter.v1.Greeter/Hello`; one that the service does not have is
    /// an error at the start.
    #[must_use]
    pub fn max_calls_of(mut self, method: impl Into<String>, calls: usize) -> Self {
        let method: String = method.into();
        self.max_calls_of.insert(method.trim_start_matches('/').to_owned(), calls.max(1));
        self
    }

    /// How many calls may wait for room, at each limit, and for how long; none unless set. Those of the highest
    /// priority go first, and then those that came first. Where the queue is full, a call takes the place of the
    /// last one of a lower priority. A call whose deadline passes, or whose caller goes away, leaves the queue.
    ///
    /// A short queue rides out a burst. A long one only makes callers wait for what they will not get: let them
    /// wait no longer than a call takes.
    #[must_use]
    pub fn queue(mut self, calls: usize, wait: Duration) -> Self {
        self.queue = (calls > 0 && !wait.is_zero()).then_some((calls, wait));
        self
    }

    /// How much of every limit may be in use for a call of this priority to be let in, in percent, between 1 and
    /// 100. Unless set, `low` is let in below 80 %, `normal` below 90 %, `high` below 95 %, and `critical` as long
    /// as there is room at all.
    ///
    /// What does not come out whole is rounded up, so that there is room for one call of any priority in
    /// every limit.
    #[must_use]
    pub fn share(mut self, priority: Priority, percent: u8) -> Self {
        self.percent[priority as usize] = percent.clamp(1, 100);
        self
    }

    /// Decides the priority of a call, in place of what its caller says. A service at the edge, whose callers may
    /// say what they like, does so:
    ///
    /// ```
    /// # use micro_runtime::Priority;
    /// # use micro_runtime::admission::Protection;
    /// let protection = Protection::new().max_calls(100).priority(|ctx| match ctx.metadata().get("plan") {
    ///     Some("paid") => Priority::High,
    ///     _ => Priority::Normal,
    /// });
    /// ```
    ///
    /// It decides who is let in here, and not what nested calls inherit.
    #[must_use]
    pub fn priority(mut self, judge: impl Fn(&Context) -> Priority + Send + Sync + 'static) -> Self {
        self.judge = Some(Arc::new(judge));
        self
    }

    /// Sheds calls when they have become slow because there are too many; not unless set.
    #[must_use]
    pub fn adaptive(mut self, adaptive: Adaptive) -> Self {
        self.adaptive = Some(adaptive);
        self
    }

    /// How often each caller may call; as often as it likes unless set.
    #[must_use]
    pub fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate = Some(limit);
        self
    }

    /// What became of the calls so far, of all services that were given a clone of this.
    pub fn counts(&self) -> Counts {
        self.tally.now()
    }

    /// Shows the counts.
    pub(crate) fn observe(&self, metrics: &Metrics) {
        if self.is_off() {
            return;
        }
        metrics.observe(&self.tally, |tally, samples| {
            let counts = tally.now();
            samples.counter("micro_server_admitted", "Calls that were let in.", &[], counts.admitted as f64);
            samples.counter(
                "micro_server_queued",
                "Calls that had to wait for room.",
                &[],
                counts.queued as f64,
            );
            let refused =
                [("limit", counts.refused_by_limit), ("shed", counts.shed), ("rate", counts.rate_limited)];
            for (reason, number) in refused {
                let help = "Calls that were not let in.";
                samples.counter("micro_server_refused", help, &[("reason", reason)], number as f64);
            }
        });
    }

    /// A gate for each of these methods; `None` where nothing is set.
    pub(crate) fn gates(
        &self,
        methods: &[&'static MethodDescriptor],
    ) -> Result<Option<impl Fn(&'static MethodDescriptor) -> Gate + use<>>> {
        for name in self.max_calls_of.keys() {
            if !methods.iter().any(|method| method.path.strip_prefix('/') == Some(name)) {
                return Err(unknown(name, methods));
            }
        }
        if self.is_off() {
            return Ok(None);
        }
        let limiter = {
            let (queue, percent) = (self.queue, self.percent);
            move |max| {
                let queue = queue.map(|(most, wait)| Queue::new(most, wait));
                Arc::new(Limiter::new(max, percent, queue))
            }
        };
        let shared = Arc::new(Shared {
            all: self.max_calls.map(&limiter),
            rates: self.rate.clone().map(Rates::new),
            judge: self.judge.clone(),
            tally: self.tally.clone(),
        });
        let (of, adaptive, percent) = (self.max_calls_of.clone(), self.adaptive.clone(), self.percent);
        Ok(Some(move |method: &'static MethodDescriptor| {
            let max = of.get(method.path.trim_start_matches('/'));
            Gate::new(method, shared.clone(), max.map(|max| limiter(*max)), adaptive.as_ref(), percent)
        }))
    }

    fn is_off(&self) -> bool {
        self.max_calls.is_none()
            && self.max_calls_of.is_empty()
            && self.adaptive.is_none()
            && self.rate.is_none()
    }
}

impl Default for Protection {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Protection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protection")
            .field("max_calls", &self.max_calls)
            .field("max_calls_of", &self.max_calls_of)
            .field("queue", &self.queue)
            .field("percent", &self.percent)
            .field("adaptive", &self.adaptive)
            .field("rate", &self.rate)
            .finish_non_exhaustive()
    }
}

#[cold]
fn unknown(name: &str, known: &[&MethodDescriptor]) -> Error {
    let mut known: Vec<_> = known.iter().map(|method| method.path.trim_start_matches('/')).collect();
    known.sort_unstable();
    Error::invalid_argument(format!(
        "`max_calls_of` limits `{name}`, which the service does not have; it has: {}",
        known.join(", ")
    ))
}

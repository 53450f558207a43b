//! Faults of calls: errors and delays for a share of them, and streams that are cut.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::call::{Interceptor, Invocation, Next, Payload};
use crate::error::{Code, Error, Result};
use crate::message::AnyMessage;
use crate::stream::Streaming;

/// What is wrong with the calls of a service: an interceptor, to be given to
/// [`Service::intercept`](crate::Service::intercept), or to a client for faults of all its calls.
///
/// Shares are drawn from a generator with a seed, so that a test sees the same ones each time where its calls
/// come in the same order. Clones are the same faults. Nothing is wrong at first.
///
/// ```
/// use micro_runtime::testing::CallFaults;
/// use micro_runtime::{Code, Service};
///
/// let faults = CallFaults::new();
/// let service = Service::new("greeter").intercept(faults.clone());
/// faults.fail(Code::Unavailable, 0.5);
/// ```
#[derive(Clone)]
pub struct CallFaults {
    plan: Arc<Mutex<Plan>>,
    /// How often running streams were cut.
    cuts: Arc<watch::Sender<u64>>,
}

/// What became of the calls that [`CallFaults`] saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// The calls that came.
    pub came: u64,
    /// Those of them that went on, to the handler where this is a service.
    pub went_on: u64,
    /// Those that were answered with an error by a fault, before or after they went on.
    pub failed: u64,
}

struct Plan {
    random: fastrand::Rng,
    faults: Set,
    counts: CallCounts,
}

#[derive(Clone, Copy, Debug, Default)]
struct Set {
    fails: Option<(Code, f64)>,
    loses: Option<(Code, f64)>,
    delays: Option<(Duration, f64)>,
    cuts_after: Option<usize>,
}

/// What is wrong with one call.
struct Fate {
    fails: Option<Code>,
    loses: Option<Code>,
    delay: Option<Duration>,
    cut_after: Option<usize>,
}

impl CallFaults {
    /// With the seed 0.
    pub fn new() -> Self {
        Self::seeded(0)
    }

    /// With another seed: shares are drawn in another order.
    pub fn seeded(seed: u64) -> Self {
        let plan = Plan {
            random: fastrand::Rng::with_seed(seed),
            faults: Set::default(),
            counts: CallCounts::default(),
        };
        Self { plan: Arc::new(Mutex::new(plan)), cuts: Arc::new(watch::channel(0).0) }
    }

    /// Answers this share of the calls (0.0 to 1.0) with this code, and does not let them go on.
    pub fn fail(&self, code: Code, share: f64) {
        self.plan().faults.fails = Some((code, share));
    }

    /// Lets calls go on, and puts this code in the place of the answers of this share of them: all was done, and
    /// the caller does not know. A method that may not be done twice shows here.
    pub fn lose_answers(&self, code: Code, share: f64) {
        self.plan().faults.loses = Some((code, share));
    }

    /// Holds this share of the calls for so long, before they go on.
    pub fn delay(&self, delay: Duration, share: f64) {
        self.plan().faults.delays = Some((delay, share));
    }

    /// Cuts every stream of every call that begins from now on, in each direction, after this many messages,
    /// with `unavailable`.
    pub fn cut_streams_after(&self, messages: usize) {
        self.plan().faults.cuts_after = Some(messages);
    }

    /// Cuts the streams that are running now, with `unavailable`.
    pub fn cut_streams(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Nothing is wrong any more with calls that begin from now on.
    pub fn heal(&self) {
        self.plan().faults = Set::default();
    }

    /// What became of the calls so far.
    pub fn counts(&self) -> CallCounts {
        self.plan().counts
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn cut(&self, payload: Payload, after: Option<usize>) -> Payload {
        match payload {
            Payload::Stream(messages) => Payload::Stream(cut(messages, after, self.cuts.subscribe())),
            message => message,
        }
    }
}

impl Plan {
    fn next(&mut self) -> Fate {
        self.counts.came += 1;
        let Set { fails, loses, delays, cuts_after } = self.faults;
        // All are drawn for every call, so that what is drawn for one does not hang on the others.
        let mut drawn = |share: f64| self.random.f64() < share;
        let fate = Fate {
            fails: fails.filter(|(_, share)| drawn(*share)).map(|(code, _)| code),
            loses: loses.filter(|(_, share)| drawn(*share)).map(|(code, _)| code),
            delay: delays.filter(|(_, share)| drawn(*share)).map(|(delay, _)| delay),
            cut_after: cuts_after,
        };
        self.counts.went_on += u64::from(fate.fails.is_none());
        self.counts.failed += u64::from(fate.fails.or(fate.loses).is_some());
        fate
    }
}

impl Default for CallFaults {
    fn default() -> Self {
        Self::new()
    }
}

impl Interceptor for CallFaults {
    async fn intercept(&self, mut call: Invocation, next: Next) -> Result<Payload> {
        let fate = self.plan().next();
        if let Some(delay) = fate.delay {
            sleep(delay).await;
        }
        if let Some(code) = fate.fails {
            return Err(fault(code));
        }
        call.request = self.cut(call.request, fate.cut_after);
        let answer = next.run(call).await?;
        match fate.loses {
            Some(code) => Err(fault(code)),
            None => Ok(self.cut(answer, fate.cut_after)),
        }
    }
}

impl fmt::Debug for CallFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = self.plan();
        f.debug_struct("CallFaults").field("faults", &plan.faults).field("counts", &plan.counts).finish()
    }
}

fn fault(code: Code) -> Error {
    Error::new(code, "a fault of the test")
}

/// The stream until it is cut: after so many messages, or when somebody says so.
fn cut(
    messages: Streaming<AnyMessage>,
    after: Option<usize>,
    cuts: watch::Receiver<u64>,
) -> Streaming<AnyMessage> {
    let around = messages.around().cloned();
    let running = Some((messages, after, cuts));
    let items = stream::unfold(running, async |running| {
        let (mut messages, left, mut cuts) = running?;
        let is_cut = || Some((Err(Error::unavailable("the stream was cut (a fault of the test)")), None));
        if left == Some(0) {
            return is_cut();
        }
        tokio::select! {
            biased;
            Ok(()) = cuts.changed() => is_cut(),
            message = messages.next() => match message.transpose()? {
                Ok(message) => Some((Ok(message), Some((messages, left.map(|left| left - 1), cuts)))),
                Err(error) => Some((Err(error), None)),
            },
        }
    });
    match around {
        Some(around) => Streaming::from_stream(items).with_around(around),
        None => Streaming::from_stream(items),
    }
}

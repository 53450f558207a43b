//! The test kit for logs of events: what every driver has to do.
//!
//! Run it in a test of the driver, with the real server where there is one. It takes topics that nobody else has, so the log may
//! be in use by others; they stay there.
//!
//! ```
//! use std::sync::Arc;
//! use micro_runtime::events::{Memory, conformance};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> micro_runtime::Result<()> {
//! let log = Memory::new();
//! conformance::run(|| Arc::new(log.clone()), conformance::Promises::default()).await
//! # }
//! ```

mod again;
mod groups;
mod keeping;
mod load;
mod reading;
mod restart;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;
use uuid::Uuid;

use super::{ConsumeOptions, EventLog, Start};
use crate::broker::{Delivery, Envelope, Subscription};
use crate::error::{Error, Result};

/// What a driver promises beyond the interface, which decides how long the kit waits.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// What is to happen happens within this time, whatever handle made it happen.
    pub notice: Duration,
    /// What did not happen after this time does not happen.
    pub quiet: Duration,
    /// The shortest time for acknowledging that the log keeps to.
    pub ack_wait: Duration,
    /// Acknowledgements are safe from a crash after this time.
    pub saved: Duration,
    /// Events of different keys are out at the same time where order is asked for; else one of all of them is.
    pub keys_apart: bool,
    /// It knows how many events a group missed ([`GroupStatus::missed`](super::GroupStatus::missed)).
    pub knows_missed: bool,
    /// What a member drops goes to another one first.
    pub others_first: bool,
    /// Only what a member was given counts as an attempt, and not what was fetched for it and went back.
    pub counts_attempts_only: bool,
}

/// What a log in this process, or a server near by, can promise.
impl Default for Promises {
    fn default() -> Self {
        Self {
            notice: Duration::from_secs(10),
            quiet: Duration::from_millis(200),
            ack_wait: Duration::from_millis(500),
            saved: Duration::from_millis(500),
            keys_apart: true,
            knows_missed: true,
            others_first: true,
            counts_attempts_only: true,
        }
    }
}

/// Runs all scenarios, and fails with what did not go as it should.
///
/// `make` makes a handle on the log, as another process would have it: all handles see the same events.
pub async fn run(make: impl Fn() -> Arc<dyn EventLog>, promises: Promises) -> Result<()> {
    run_all(SCENARIOS, &make, promises).await
}

/// Runs the scenarios for a log that [is durable](super::Abilities::durable), in which handles are closed, and made again. Beside
/// [`run`].
pub async fn run_durable(make: impl Fn() -> Arc<dyn EventLog>, promises: Promises) -> Result<()> {
    run_all(DURABLE, &make, promises).await
}

async fn run_all(
    scenarios: &[(&str, Scenario)],
    make: &dyn Fn() -> Arc<dyn EventLog>,
    promises: Promises,
) -> Result<()> {
    let mut failures = Vec::new();
    let name = make().name();
    for (what, scenario) in scenarios {
        let (here, there, third) = (make(), make(), make());
        let topic = format!("kit-{}", Uuid::new_v4().simple());
        let kit = Kit { here, there, third, topic, promises };
        if let Err(error) = scenario(&kit).await {
            failures.push(format!("{what}: {error}"));
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    Err(Error::failed_precondition(format!(
        "the log `{name}` does not conform, {} of {} scenarios failed:\n{}",
        failures.len(),
        scenarios.len(),
        failures.join("\n")
    )))
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
type Scenario = for<'a> fn(&'a Kit) -> Outcome<'a>;

const SCENARIOS: &[(&str, Scenario)] = &[
    ("what is published is read again, with headers and in order", |kit| Box::pin(reading::round_trip(kit))),
    ("reading begins at the start, an offset or a time", |kit| Box::pin(reading::from_anywhere(kit))),
    ("consuming begins at the start, an offset, a time or with what is new", |kit| {
        Box::pin(reading::consume_from_anywhere(kit))
    }),
    ("a consumer that waits hears of an event of another handle", |kit| Box::pin(reading::hears(kit))),
    ("giving up waiting loses nothing", |kit| Box::pin(reading::gives_up(kit))),
    ("names are kept as they are or refused", |kit| Box::pin(reading::names(kit))),
    ("large events are kept, and huge ones refused", |kit| Box::pin(reading::sizes(kit))),
    ("several events are appended as one or not at all", |kit| Box::pin(keeping::batches(kit))),
    ("an event for later is seen when it is due", |kit| Box::pin(keeping::delayed(kit))),
    ("a number of events is kept", |kit| Box::pin(keeping::by_count(kit))),
    ("a number of bytes is kept", |kit| Box::pin(keeping::by_bytes(kit))),
    ("events go when they are old", |kit| Box::pin(keeping::by_age(kit))),
    ("who is behind what is kept goes on with the oldest and knows", |kit| Box::pin(keeping::behind(kit))),
    ("the members of a group share its events", |kit| Box::pin(groups::share(kit))),
    ("groups know nothing of each other", |kit| Box::pin(groups::independent(kit))),
    ("a group goes on where it stopped", |kit| Box::pin(groups::resumes(kit))),
    ("what was acknowledged out of order stays so", |kit| Box::pin(groups::out_of_order(kit))),
    ("no more events are in hand than asked for", |kit| Box::pin(groups::in_hand(kit))),
    ("a member that ends leaves the rest to others", |kit| Box::pin(groups::ends(kit))),
    ("a group that was deleted begins anew", |kit| Box::pin(groups::deleted(kit))),
    ("events of one key come in order", |kit| Box::pin(groups::ordered(kit))),
    ("what is dropped is delivered again at once, to others first", |kit| Box::pin(again::dropped(kit))),
    ("what is held too long is delivered again", |kit| Box::pin(again::too_long(kit))),
    ("what is given back for later comes later", |kit| Box::pin(again::given_back(kit))),
    ("what is refused comes again later", |kit| Box::pin(again::refused(kit))),
    ("the attempts of an event are counted", |kit| Box::pin(again::counted(kit))),
    ("a burst of 10,000 events arrives, each once", |kit| Box::pin(load::burst(kit))),
    ("writers at the same time do not harm each other", |kit| Box::pin(load::writers(kit))),
];

const DURABLE: &[(&str, Scenario)] = &[
    ("events and positions survive a close", |kit| Box::pin(restart::closed(kit))),
    ("what was in hand of a process that went is delivered again, and marked", |kit| {
        Box::pin(restart::in_hand(kit))
    }),
    ("retention and events for later survive a close", |kit| Box::pin(restart::settings(kit))),
];

struct Kit {
    here: Arc<dyn EventLog>,
    there: Arc<dyn EventLog>,
    /// One that may be closed, where the log is durable.
    third: Arc<dyn EventLog>,
    /// A topic for this scenario alone.
    topic: String,
    promises: Promises,
}

impl Kit {
    fn options(&self) -> ConsumeOptions {
        ConsumeOptions::new(&self.topic).start(Start::Oldest)
    }

    fn group(&self) -> ConsumeOptions {
        self.options().group("kit")
    }

    /// Publishes events whose bodies are these numbers.
    async fn publish(&self, numbers: impl IntoIterator<Item = usize>) -> Result<Vec<u64>> {
        let mut offsets = Vec::new();
        for number in numbers {
            offsets.push(self.here.publish(&self.topic, event(number)).await?);
        }
        Ok(offsets)
    }

    /// The next event, which is to come.
    async fn next(&self, subscription: &mut Box<dyn Subscription>) -> Result<Delivery> {
        match timeout(self.promises.notice, subscription.next()).await {
            Ok(Some(delivery)) => Ok(delivery),
            Ok(None) => Err(wrong("the consumer ended")),
            Err(_) => Err(wrong(format!("no event came in {:?}", self.promises.notice))),
        }
    }

    /// The next events, acknowledged.
    async fn take(&self, subscription: &mut Box<dyn Subscription>, count: usize) -> Result<Vec<usize>> {
        let mut numbers = Vec::with_capacity(count);
        for _ in 0..count {
            let delivery = self.next(subscription).await?;
            numbers.push(number(&delivery.envelope)?);
            delivery.ack().await?;
        }
        Ok(numbers)
    }

    /// Whether nothing comes.
    async fn nothing(&self, subscription: &mut Box<dyn Subscription>) -> Result<()> {
        match timeout(self.promises.quiet, subscription.next()).await {
            Err(_) => Ok(()),
            Ok(None) => Err(wrong("the consumer ended")),
            Ok(Some(delivery)) => Err(wrong(format!("an event came that should not: {delivery:?}"))),
        }
    }
}

fn event(number: usize) -> Envelope {
    Envelope::new(number.to_string())
}

fn number(envelope: &Envelope) -> Result<usize> {
    let text = std::str::from_utf8(&envelope.body).ok();
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| wrong(format!("a body that was not published: {envelope:?}")))
}

fn wrong(what: impl Into<String>) -> Error {
    Error::internal(what)
}

/// Whether two things are the same, with words for where they are not.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, expected: T) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(wrong(format!("{what}: {found:?}, and it should be {expected:?}")))
}

//! The test kit for brokers: what every driver has to do.
//!
//! A [`Fixture`] says how to reach the broker, and [`Kit::run`] runs every scenario against it, with the real server,
//! in a test of the driver. The topics are names that nobody else has, so the server may be in use by others. What a
//! driver says that it cannot do ([`Abilities`]) is asked for as well, and must be refused.
//!
//! ```
//! use std::sync::Arc;
//! use micro_runtime::broker::conformance::{Fixture, Kit};
//! use micro_runtime::broker::{Broker, Memory};
//!
//! #[derive(Debug)]
//! struct InMemory(Memory);
//!
//! #[async_trait::async_trait]
//! impl Fixture for InMemory {
//!     async fn broker(&self) -> micro_runtime::Result<Arc<dyn Broker>> {
//!         Ok(Arc::new(self.0.clone()))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> micro_runtime::Result<()> {
//! Kit::new(InMemory(Memory::new())).only("every group").run().await
//! # }
//! ```

mod content;
mod delivery;
mod faults;
mod groups;
mod keeping;
mod life;
mod load;
mod order;
mod process;
mod reader;
mod scene;
mod tally;
#[cfg(test)]
mod tests;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::timeout;
use uuid::Uuid;

pub use self::faults::Faults;
use self::scene::Scene;
use super::{Abilities, Broker};
use crate::error::{Error, Result};

/// How the kit reaches the broker that is tested.
#[async_trait]
pub trait Fixture: fmt::Debug + Send + Sync + 'static {
    /// A handle on the broker, as another process would have it: with a connection of its own, to the same server.
    ///
    /// Some are made on a thread with a runtime of its own, which ends without notice.
    async fn broker(&self) -> Result<Arc<dyn Broker>>;

    /// What it promises beyond the interface.
    fn promises(&self) -> Promises {
        Promises::default()
    }

    /// What breaks the server. Where there is nothing, the scenarios in which it breaks are left out.
    fn faults(&self) -> Option<Arc<dyn Faults>> {
        None
    }
}

/// What a driver promises beyond the interface: mostly how long the kit waits.
#[derive(Clone, Copy, Debug)]
pub struct Promises {
    /// Publishers in other processes know of a subscription this long after it began, where they do not know at once:
    /// because a registry tells them. Nothing unless set.
    pub notice: Duration,
    /// An event is delivered within this time, also one that was given back; 5 s.
    pub arrival: Duration,
    /// An event is delivered again within this time after the process that had it was lost; 20 s.
    pub loss: Duration,
    /// After this time the driver gives a delivery to others, unless it is [extended](super::Delivery::extend). The kit
    /// has one in hand for twice as long. `None` where it waits for as long as a process lives.
    pub holds: Option<Duration>,
    /// Everything is as it should be this long after a server is back that was away; 30 s.
    pub recovery: Duration,
    /// How long the kit waits for what must not come; 300 ms.
    pub quiet: Duration,
    /// The time for one whole scenario, a burst of 10,000 events among them; 60 s.
    pub scenario: Duration,
    /// How many bytes of an event it carries at least; 1 MiB.
    pub carries: usize,
    /// How many bytes of an event it surely refuses, where it has a limit.
    pub refuses: Option<usize>,
    /// What it can do with the server that it is tested with, where that is less than
    /// [it can](Broker::abilities).
    pub abilities: Option<Abilities>,
}

impl Default for Promises {
    fn default() -> Self {
        Self {
            notice: Duration::ZERO,
            arrival: Duration::from_secs(5),
            loss: Duration::from_secs(20),
            holds: None,
            recovery: Duration::from_secs(30),
            quiet: Duration::from_millis(300),
            scenario: Duration::from_secs(60),
            carries: 1024 * 1024,
            refuses: None,
            abilities: None,
        }
    }
}

/// The scenarios, for one broker.
#[derive(Debug)]
pub struct Kit {
    fixture: Arc<dyn Fixture>,
    only: Option<String>,
}

impl Kit {
    /// All scenarios.
    pub fn new(fixture: impl Fixture) -> Self {
        Self { fixture: Arc::new(fixture), only: None }
    }

    /// Only those whose name has this text in it, to look at one that fails.
    #[must_use]
    pub fn only(mut self, part_of_the_name: impl Into<String>) -> Self {
        self.only = Some(part_of_the_name.into());
        self
    }

    /// The names of all scenarios.
    pub fn scenarios() -> impl Iterator<Item = &'static str> {
        SCENARIOS.iter().flat_map(|room| room.iter()).map(|(name, _)| *name)
    }

    /// Runs the scenarios one after the other, and fails with what did not go as it should.
    pub async fn run(self) -> Result<()> {
        let promises = self.fixture.promises();
        let broker = self.fixture.broker().await?;
        let abilities = promises.abilities.unwrap_or_else(|| broker.abilities());
        let chosen: Vec<_> = SCENARIOS
            .iter()
            .flat_map(|room| room.iter())
            .filter(|(name, _)| self.only.as_ref().is_none_or(|part| name.contains(part.as_str())))
            .collect();
        if chosen.is_empty() {
            return Err(Error::invalid_argument(format!("no scenario has {:?} in its name", self.only)));
        }
        let mut failures = Vec::new();
        for (name, scenario) in &chosen {
            let fixture = self.fixture.clone();
            let topic = format!("kit.{}", Uuid::new_v4().simple());
            let scene = Scene::new(fixture, topic, promises, abilities);
            let outcome = timeout(promises.scenario, scenario(&scene)).await.unwrap_or_else(|_| {
                Err(Error::deadline_exceeded(format!("it takes longer than {:?}", promises.scenario)))
            });
            scene.close().await;
            match outcome {
                Ok(()) => tracing::debug!(scenario = name, "as it should be"),
                Err(error) => failures.push(format!("{name}: {error}")),
            }
        }
        broker.close().await?;
        if failures.is_empty() {
            return Ok(());
        }
        Err(Error::failed_precondition(format!(
            "the broker `{}` does not conform, {} of {} scenarios failed:\n{}",
            broker.name(),
            failures.len(),
            chosen.len(),
            failures.join("\n")
        )))
    }
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;
type Scenario = (&'static str, for<'a> fn(&'a Scene) -> Outcome<'a>);

const SCENARIOS: &[&[Scenario]] = &[
    groups::SCENARIOS,
    delivery::SCENARIOS,
    order::SCENARIOS,
    content::SCENARIOS,
    load::SCENARIOS,
    life::SCENARIOS,
    keeping::SCENARIOS,
    faults::SCENARIOS,
];

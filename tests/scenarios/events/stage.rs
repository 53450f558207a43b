//! What the scenarios have in common: a topic of their own, and processes that publish and subscribe.

use std::sync::Arc;
use std::time::Duration;

use micro::broker::{self, Broker};
use micro::messaging::NamedTopic;
use micro::{Client, Topic};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::driver::Driver;
use super::ledger::{Account, Ledger};
use super::program;
use crate::process::{Process, unique};
use crate::registry::Choice;

/// Longer than a broker takes to deliver what it has, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(40);

pub(super) struct Stage {
    driver: Driver,
    address: Option<String>,
    topic: String,
    registry: Choice,
    ledger: Ledger,
    _folder: TempDir,
}

impl Stage {
    pub(super) fn new(name: &str, driver: Driver, address: Option<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self {
            driver,
            address,
            topic: unique(&format!("{name}-{}", driver.name())),
            registry: Choice::from_environment(),
            ledger: Ledger::new(folder.path()),
            _folder: folder,
        }
    }

    /// Starts a process that does this, and waits until it is ready.
    pub(super) async fn start(&self, role: &str) -> Process {
        let variables = [
            (program::ROLE, role.to_owned()),
            (program::TOPIC, self.topic.clone()),
            (program::FOLDER, self.ledger.folder().display().to_string()),
            ("MICRO_BROKER", self.driver.name().to_owned()),
            ("MICRO_BROKER_ADDRESS", self.address.clone().unwrap_or_default()),
        ];
        Process::run(variables.into_iter().chain(self.registry.variables())).await
    }

    /// A client in this process, of the same broker.
    pub(super) fn client(&self) -> Client {
        let surroundings = broker::Surroundings::new(self.registry.open());
        let broker: Arc<dyn Broker> =
            broker::by_name(self.driver.name(), self.address.as_deref(), &surroundings).unwrap();
        Client::builder().broker(broker).build()
    }

    pub(super) fn topic(&self) -> NamedTopic<u64> {
        Topic::named(self.topic.as_str())
    }

    pub(super) fn account(&self) -> Account {
        self.ledger.read()
    }

    /// Waits until every event that was taken was handled. What was not by then is lost.
    pub(super) async fn settles(&self) {
        let end = Instant::now() + PATIENCE;
        while self.ledger.read().lost() > 0 && Instant::now() < end {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::record::Record;
use super::{Check, CheckReport, runner};
use crate::error::Result;

/// What stands in front of the name of a check where callers ask for it.
const CHECK: &str = "check/";

/// Says whether a service, or one of its contracts, can do its work.
///
/// A service has one, see [`Service::health`](crate::Service::health) and
/// [`Running::health`](crate::Running::health); clones are handles on the same.
///
/// Clients and load balancers ask for the health of the whole service under the empty name, and for
/// that of a contract under its full name, `greeter.v1.Greeter`. All are healthy unless something
/// else is said. Where the whole is not, no contract is; a contract that is not says nothing about
/// the whole. A service that starts or stops serves nothing, whatever was said. A
/// [check](crate::Service::check) is known as `check/` and its name.
///
/// The whole is healthy where the program does not say otherwise and no check that gates fails. Where it is not,
/// the node is taken out of the registry, so that callers go elsewhere, and it comes back by itself; calls that
/// arrive all the same are served. What is said of a contract is told to those who ask, and nothing else follows
/// from it: the registry knows nodes and no contracts.
///
/// ```
/// # use micro_runtime::Service;
/// let service = Service::new("greeter");
/// let health = service.health();
/// // … the database is away:
/// health.set_serving(false);
/// ```
#[derive(Clone)]
pub struct Health(Arc<watch::Sender<State>>);

/// All that is known.
#[derive(Clone, Debug)]
pub(crate) struct State {
    /// Whether the node is ready, as far as its own life goes.
    open: bool,
    whole: bool,
    named: BTreeMap<String, bool>,
    checks: BTreeMap<String, Record>,
}

/// What is known of the health of a service. How it is asked for: [`Health::report`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HealthReport {
    /// Whether callers are told that the whole service is serving.
    pub serving: bool,
    /// What the program said of the whole service.
    pub said: bool,
    /// The checks, by name: those that were added, and three that every service has and that gate nothing. `registry`
    /// is whether the node could last be registered, renewed or taken out, `discovery` whether what its clients
    /// read of other services is current, and `runtime` whether tasks are run without delay.
    pub checks: Vec<CheckReport>,
}

impl HealthReport {
    /// What is known of one check.
    pub fn check(&self, name: &str) -> Option<&CheckReport> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl Health {
    /// Of a service that has not started.
    pub(crate) fn new() -> Self {
        let state = State { open: false, whole: true, named: BTreeMap::new(), checks: BTreeMap::new() };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// Says whether the whole service can do its work.
    ///
    /// The word of the program counts at once: a node that cannot is taken out of the registry now. It comes back
    /// when the program says so, the first time at once; one that goes in and out again and again stays out for longer each time, up to a
    /// minute, since all its callers hear of each time.
    pub fn set_serving(&self, serving: bool) {
        self.change(|state| std::mem::replace(&mut state.whole, serving) != serving);
    }

    /// Says whether one contract can do its work, by its full name: `greeter.v1.Greeter`. Any other
    /// name can be asked for as well once it was set.
    pub fn set_serving_of(&self, name: impl Into<String>, serving: bool) {
        let name = name.into();
        if name.is_empty() {
            return self.set_serving(serving);
        }
        self.change(|state| state.named.insert(name, serving) != Some(serving));
    }

    /// What is told of the whole service.
    pub fn is_serving(&self) -> bool {
        self.0.borrow().whole()
    }

    /// What is told of a contract, of a name that was set, or of a check (`check/database`); `None` where it is not known.
    pub fn is_serving_of(&self, name: &str) -> Option<bool> {
        self.0.borrow().of(name)
    }

    /// What is known of each check, and of the whole.
    ///
    /// ```
    /// # use micro_runtime::Service;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> micro_runtime::Result<()> {
    /// let service = Service::new("greeter").check("database", || async { Ok(()) }).in_memory().await?;
    /// let report = service.health().report();
    /// assert!(report.serving && report.check("database").is_some_and(|check| check.healthy));
    /// # Ok(())
    /// # }
    /// ```
    pub fn report(&self) -> HealthReport {
        let state = self.0.borrow();
        HealthReport {
            serving: state.whole(),
            said: state.whole,
            checks: state.checks.values().map(|record| record.report.clone()).collect(),
        }
    }

    /// Adds a check, which then has to be [followed](Self::follow). Its results are part of all that is told.
    pub(crate) fn add_check(&self, name: &str, check: &Check, built_in: bool) {
        let record = if built_in { Record::built_in(name, check) } else { Record::of(name, check) };
        self.change(|state| state.checks.insert(name.to_owned(), record).is_none());
    }

    /// Runs a check that was added, for ever.
    pub(crate) fn follow(&self, name: String, check: Check) -> impl Future<Output = ()> + Send + use<> {
        runner::follow(self.clone(), name, check)
    }

    /// Notes a result of a check that was added.
    pub(crate) fn note(&self, name: &str, outcome: Result<()>, took: Duration) {
        let mut turned = None;
        self.change(|state| {
            let Some(record) = state.checks.get_mut(name) else { return false };
            let was = record.report.healthy;
            let changed = record.note(outcome, took);
            turned = (record.report.healthy != was).then(|| record.report.clone());
            changed
        });
        if let Some(CheckReport { healthy, gates, error, .. }) = turned {
            if healthy {
                tracing::info!(check = name, gates, "a check is healthy again");
            } else {
                tracing::warn!(check = name, gates, error, "a check is unhealthy");
            }
        }
    }

    /// Waits until every check that gates has run once.
    pub(crate) async fn known(&self) {
        let known =
            |state: &State| state.checks.values().filter(|check| check.report.gates).all(Record::is_known);
        // It can only fail when the sender is gone, and `self` has it.
        let _ = self.0.subscribe().wait_for(known).await;
    }

    /// Why the service should not be in the registry, where it should not.
    pub(crate) fn complaint(&self) -> Option<String> {
        let state = self.0.borrow();
        if !state.whole {
            return Some("the program said that it does not serve (`Health::set_serving`)".to_owned());
        }
        state.checks.values().find_map(Record::complaint)
    }

    /// Makes the names of contracts known.
    pub(crate) fn know(&self, names: impl IntoIterator<Item = &'static str>) {
        self.change(|state| {
            for name in names {
                state.named.entry(name.to_owned()).or_insert(true);
            }
            true
        });
    }

    /// Follows the life of the node: whether it is ready.
    pub(crate) fn open(&self, open: bool) {
        self.change(|state| std::mem::replace(&mut state.open, open) != open);
    }

    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        self.0.send_if_modified(change);
    }
}

impl State {
    fn whole(&self) -> bool {
        self.open
            && self.whole
            && self.checks.values().all(|check| check.report.healthy || !check.report.gates)
    }

    fn check(&self, name: &str) -> Option<&Record> {
        self.checks.get(name.strip_prefix(CHECK)?).filter(|check| check.public)
    }

    pub(super) fn of(&self, name: &str) -> Option<bool> {
        match name {
            "" => Some(self.whole()),
            _ => match self.named.get(name) {
                Some(serving) => Some(self.whole() && *serving),
                // What it depends on is as well as it is, whatever the service does.
                None => self.check(name).map(|check| check.report.healthy),
            },
        }
    }

    /// Every name and what is told of it; the empty one is the whole.
    #[cfg(feature = "protobuf")]
    pub(super) fn all(&self) -> impl Iterator<Item = (String, bool)> {
        let named = self.named.iter().map(|(name, serving)| (name.clone(), self.whole() && *serving));
        let checks = self.checks.iter().filter(|(_, check)| check.public);
        let checks = checks.map(|(name, check)| (format!("{CHECK}{name}"), check.report.healthy));
        std::iter::once((String::new(), self.whole())).chain(named).chain(checks)
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Health").field(&*self.0.borrow()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_served_before_the_start_and_after_the_stop() {
        let health = Health::new();
        health.know(["greeter.v1.Greeter"]);
        for open in [false, true, false] {
            health.open(open);
            assert_eq!(health.is_serving(), open);
            assert_eq!(health.is_serving_of("greeter.v1.Greeter"), Some(open));
        }
    }

    #[test]
    fn where_the_whole_is_not_healthy_no_contract_is_and_not_the_other_way_round() {
        let health = Health::new();
        health.know(["a", "b"]);
        health.open(true);
        health.set_serving_of("a", false);
        assert_eq!((health.is_serving(), health.is_serving_of("a")), (true, Some(false)));
        health.set_serving(false);
        assert_eq!(health.is_serving_of("b"), Some(false));
        health.set_serving_of("", true);
        assert_eq!((health.is_serving_of("a"), health.is_serving_of("b")), (Some(false), Some(true)));
        assert_eq!(health.is_serving_of("c"), None);
    }
}

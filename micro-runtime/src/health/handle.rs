use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tokio::sync::watch;

/// Says whether a service, or one of its contracts, can do its work.
///
/// A service has one, see [`Service::health`](crate::Service::health) and
/// [`Running::health`](crate::Running::health); clones are handles on the same.
///
/// Clients and load balancers ask for the health of the whole service under the empty name, and for
/// that of a contract under its full name, `greeter.v1.Greeter`. All are healthy unless something
/// else is said. Where the whole is not, no contract is; a contract that is not says nothing about
/// the whole. A service that starts or stops serves nothing, whatever was said.
///
/// It tells those who ask, and does no more: calls are still served, and the node stays in the
/// registry.
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
pub(super) struct State {
    /// Whether the service is between its start and its stop.
    open: bool,
    whole: bool,
    named: BTreeMap<String, bool>,
}

impl Health {
    /// Of a service that has not started.
    pub(crate) fn new() -> Self {
        let state = State { open: false, whole: true, named: BTreeMap::new() };
        Self(Arc::new(watch::Sender::new(state)))
    }

    /// Says whether the whole service can do its work.
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

    /// What is told of a contract, or of a name that was set; `None` where it is not known.
    pub fn is_serving_of(&self, name: &str) -> Option<bool> {
        self.0.borrow().of(name)
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

    /// Follows the service's life: whether it is between its start and its stop.
    pub(crate) fn open(&self, open: bool) {
        self.change(|state| std::mem::replace(&mut state.open, open) != open);
    }

    #[cfg(feature = "protobuf")]
    pub(super) fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    fn change(&self, change: impl FnOnce(&mut State) -> bool) {
        self.0.send_if_modified(change);
    }
}

impl State {
    fn whole(&self) -> bool {
        self.open && self.whole
    }

    pub(super) fn of(&self, name: &str) -> Option<bool> {
        match name {
            "" => Some(self.whole()),
            _ => self.named.get(name).map(|serving| self.whole() && *serving),
        }
    }

    /// Every name and what is told of it; the empty one is the whole.
    #[cfg(feature = "protobuf")]
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, bool)> {
        let named = self.named.iter().map(|(name, serving)| (name.as_str(), self.whole() && *serving));
        std::iter::once(("", self.whole())).chain(named)
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

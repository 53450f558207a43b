use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::sync::watch;

use crate::health::Health;
use crate::metrics::Metrics;

/// Where a node is in its life: `starting → ready → draining → gone`, with `unhealthy` beside `ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NodeState {
    /// It is being brought up, and takes no calls or is not to be found.
    Starting,
    /// It takes calls, and is in the registry, or is to be there as soon as the registry can be reached.
    Ready,
    /// It takes the calls that arrive, and is not in the registry, since it cannot do its work.
    Unhealthy,
    /// It was told to stop: it leaves the registry, and lets the calls in flight finish.
    Draining,
    /// It has stopped.
    Gone,
}

impl NodeState {
    /// The name: `ready`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
            Self::Gone => "gone",
        }
    }

    /// Whether the next state can be that one. There is no way back from `draining`.
    const fn leads_to(self, next: Self) -> bool {
        use NodeState::{Draining, Gone, Ready, Starting, Unhealthy};
        match self {
            Starting => matches!(next, Ready | Unhealthy | Draining | Gone),
            Ready => matches!(next, Unhealthy | Draining | Gone),
            Unhealthy => matches!(next, Ready | Draining | Gone),
            Draining => matches!(next, Gone),
            Gone => false,
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The state of a node, since when it has it, and why.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeStatus {
    /// The state.
    pub state: NodeState,
    /// Since when.
    pub since: SystemTime,
    /// What brought it there, for people.
    pub reason: String,
}

/// The one place where the state of a node changes. Clones are handles on the same.
#[derive(Clone)]
pub(super) struct Machine(Arc<Inner>);

struct Inner {
    service: String,
    status: watch::Sender<NodeStatus>,
    health: Health,
}

impl Machine {
    pub(super) fn new(service: &str, health: Health) -> Self {
        let status = NodeStatus {
            state: NodeState::Starting,
            since: SystemTime::now(),
            reason: "it was started".to_owned(),
        };
        Self(Arc::new(Inner { service: service.to_owned(), status: watch::Sender::new(status), health }))
    }

    /// Goes to the next state, where there is a way; callers are told, and the log. Whether there was.
    pub(super) fn go(&self, next: NodeState, reason: &str) -> bool {
        let Inner { service, status, health } = &*self.0;
        let mut before = None;
        status.send_if_modified(|status| {
            if !status.state.leads_to(next) {
                return false;
            }
            before = Some(status.state);
            *status = NodeStatus { state: next, since: SystemTime::now(), reason: reason.to_owned() };
            // Together with the state: of two changes at the same moment the last one holds for both.
            health.open(next == NodeState::Ready);
            true
        });
        let Some(before) = before else { return false };
        let (from, to) = (before.name(), next.name());
        if next == NodeState::Unhealthy {
            tracing::warn!(service, from, to, reason, "the state of the node changed");
        } else {
            tracing::info!(service, from, to, reason, "the state of the node changed");
        }
        true
    }

    pub(super) fn state(&self) -> NodeState {
        self.0.status.borrow().state
    }

    /// Shows the state: 1 for the one that the node has, 0 for the others.
    pub(super) fn observe(&self, metrics: &Metrics) {
        metrics.observe(&self.0, |inner, samples| {
            let now = inner.status.borrow().state;
            for state in [
                NodeState::Starting,
                NodeState::Ready,
                NodeState::Unhealthy,
                NodeState::Draining,
                NodeState::Gone,
            ] {
                let labels = [("service", inner.service.as_str()), ("state", state.name())];
                let help = "1 for the state that the node has, 0 for the others.";
                samples.gauge("micro_node_state", help, &labels, f64::from(u8::from(state == now)));
            }
        });
    }

    pub(super) fn watch(&self) -> watch::Receiver<NodeStatus> {
        self.0.status.subscribe()
    }

    pub(super) fn health(&self) -> &Health {
        &self.0.health
    }
}

/// A node that nobody holds any more is gone.
impl Drop for Inner {
    fn drop(&mut self) {
        self.health.open(false);
        self.status.send_if_modified(|status| {
            if status.state == NodeState::Gone {
                return false;
            }
            let reason = "it was dropped, and not stopped".to_owned();
            *status = NodeStatus { state: NodeState::Gone, since: SystemTime::now(), reason };
            true
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_no_way_back_from_draining() {
        let machine = Machine::new("greeter", Health::new());
        assert!(machine.go(NodeState::Ready, "registered"));
        assert!(machine.go(NodeState::Unhealthy, "the database is away"));
        assert!(machine.go(NodeState::Ready, "healthy again"));
        assert!(!machine.go(NodeState::Ready, "twice"));
        assert!(machine.go(NodeState::Draining, "told to stop"));
        for next in [NodeState::Starting, NodeState::Ready, NodeState::Unhealthy] {
            assert!(!machine.go(next, "late"));
        }
        assert_eq!(machine.state(), NodeState::Draining);
        assert!(machine.go(NodeState::Gone, "stopped"));
        assert_eq!(machine.watch().borrow().reason, "stopped");
    }

    #[test]
    fn callers_are_told_that_it_serves_while_it_is_ready() {
        let health = Health::new();
        let machine = Machine::new("greeter", health.clone());
        assert!(!health.is_serving());
        machine.go(NodeState::Ready, "registered");
        assert!(health.is_serving());
        machine.go(NodeState::Unhealthy, "it was sick until now, and stays out for a while");
        assert!(!health.is_serving());
        machine.go(NodeState::Ready, "healthy again");
        assert!(health.is_serving());
        machine.go(NodeState::Draining, "told to stop");
        assert!(!health.is_serving());
    }
}

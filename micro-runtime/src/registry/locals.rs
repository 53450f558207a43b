use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustc_hash::FxHashMap;

use super::Node;
use crate::endpoint::Entrance;

/// The nodes of a registry that run in this process, as far as they were given the same
/// [`Discovery`](super::Discovery).
///
/// Whether there are any is one atomic load, and to find one of them takes no lock.
#[derive(Clone, Default)]
pub(crate) struct Locals(Arc<Table>);

#[derive(Default)]
struct Table {
    nodes: ArcSwap<FxHashMap<String, Local>>,
    count: AtomicUsize,
    changes: Mutex<()>,
}

#[derive(Clone)]
struct Local {
    address: Arc<str>,
    entrance: Arc<dyn Entrance>,
}

/// A node's place in the table, which it leaves when this is dropped.
pub(crate) struct Membership {
    locals: Locals,
    id: String,
    entrance: Arc<dyn Entrance>,
}

impl Locals {
    /// Whether there are any.
    pub(crate) fn any(&self) -> bool {
        self.0.count.load(Ordering::Relaxed) > 0
    }

    /// The way into a node, if it is one of them. Its address has to be the same as well: the id may
    /// have been taken by a successor.
    pub(crate) fn find(&self, node: &Node) -> Option<Arc<dyn Entrance>> {
        let nodes = self.0.nodes.load();
        nodes
            .get(&node.id)
            .filter(|local| *local.address == *node.address)
            .map(|local| local.entrance.clone())
    }

    /// Adds a node.
    pub(super) fn join(&self, node: &Node, entrance: Arc<dyn Entrance>) -> Membership {
        let local = Local { address: node.address.as_str().into(), entrance: entrance.clone() };
        self.change(|nodes| nodes.insert(node.id.clone(), local.clone()));
        Membership { locals: self.clone(), id: node.id.clone(), entrance }
    }

    fn change<T>(&self, change: impl Fn(&mut FxHashMap<String, Local>) -> T) {
        // One at a time, so that the count is that of the last table.
        let _changes = self.0.changes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut nodes = FxHashMap::clone(&self.0.nodes.load());
        change(&mut nodes);
        self.0.count.store(nodes.len(), Ordering::Relaxed);
        self.0.nodes.store(Arc::new(nodes));
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.locals.change(|nodes| {
            // Another one may have come by the same id.
            if nodes.get(&self.id).is_some_and(|local| Arc::ptr_eq(&local.entrance, &self.entrance)) {
                nodes.remove(&self.id);
            }
        });
    }
}

impl fmt::Debug for Locals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.nodes.load().keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::{Entered, LocalCall};

    struct Shut;

    impl Entrance for Shut {
        fn enter(&self, call: LocalCall) -> Entered {
            Entered::Closed(call.body)
        }
    }

    #[test]
    fn a_node_is_found_by_its_id_and_its_address_until_it_leaves() {
        let (locals, node) = (Locals::default(), Node::new("a-1", "127.0.0.1:1"));
        assert!(!locals.any() && locals.find(&node).is_none());
        let first = locals.join(&node, Arc::new(Shut));
        assert!(locals.any() && locals.find(&node).is_some());
        assert!(locals.find(&Node::new("a-1", "127.0.0.1:2")).is_none());
        assert!(locals.find(&Node::new("a-2", "127.0.0.1:1")).is_none());

        let successor = locals.join(&node, Arc::new(Shut));
        drop(first);
        assert!(locals.find(&node).is_some(), "the successor stays");
        drop(successor);
        assert!(!locals.any() && locals.find(&node).is_none());
    }
}

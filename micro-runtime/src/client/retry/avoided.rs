use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::selector::Candidate;

/// The nodes that the attempts of one call were sent to. Only a call with more than one attempt has it.
#[derive(Debug)]
pub(in crate::client) struct Avoided(Mutex<Vec<Arc<Candidate>>>);

impl Avoided {
    pub(super) fn new(nodes: impl Iterator<Item = Arc<Candidate>>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(nodes.collect())))
    }

    pub(in crate::client) fn add(&self, node: &Arc<Candidate>) {
        self.lock().push(node.clone());
    }

    /// By its address: a node may register anew, as another candidate, while a call goes on.
    pub(in crate::client) fn has(&self, node: &Candidate) -> bool {
        self.lock().iter().any(|known| known.node().address == node.node().address)
    }

    /// Lets all of them be tried again, and says whether there were any.
    pub(in crate::client) fn clear(&self) -> bool {
        !std::mem::take(&mut *self.lock()).is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<Candidate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

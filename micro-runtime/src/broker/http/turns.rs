use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

use crate::context::{hash, mix};

/// Who comes next, of events that have to be one after the other.
#[derive(Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<u64, Arc<Turn<()>>>>>);

/// It is the turn of an event, until this is dropped.
pub(super) struct Taken {
    turns: Arc<Mutex<HashMap<u64, Arc<Turn<()>>>>>,
    key: u64,
    turn: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for the turn after all that waited for the same before.
    pub(super) async fn wait(&self, what: &[&str]) -> Taken {
        // Two of the same number wait for each other without need, and nothing else.
        let key = what.iter().fold(0, |key, part| mix(key ^ hash(part.as_bytes()).get()));
        let turn = self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default().clone();
        // Where this is given up, it is tidied up all the same.
        let mut taken = Taken { turns: self.0.clone(), key, turn: None };
        taken.turn = Some(turn.lock_owned().await);
        taken
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        drop(self.turn.take());
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        // Whoever waits has it as well.
        if turns.get(&self.key).is_some_and(|turn| Arc::strong_count(turn) == 1) {
            turns.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn the_same_come_one_after_the_other_and_others_at_once() {
        let turns = Turns::default();
        let first = turns.wait(&["a", "k"]).await;
        let mut second = Box::pin(turns.wait(&["a", "k"]));
        let mut third = Box::pin(turns.wait(&["a", "k"]));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        assert!(turns.wait(&["b", "k"]).now_or_never().is_some());
        drop(first);
        assert!(third.as_mut().now_or_never().is_none());
        let second = second.as_mut().now_or_never();
        assert!(second.is_some());
        drop(third);
        drop(second);
        assert!(turns.0.lock().unwrap().is_empty());
    }
}

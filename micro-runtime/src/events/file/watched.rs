use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::reading::Reading;
use crate::error::Result;

/// Topics that somebody waits for, with the offsets of their next events.
#[derive(Default)]
pub(super) struct Watched(Mutex<HashMap<String, watch::Sender<u64>>>);

impl Watched {
    /// Begins to watch a topic. What is returned may be behind until somebody announces or looks.
    pub(super) fn watch(&self, topic: &str) -> watch::Receiver<u64> {
        let new = || watch::Sender::new(1);
        self.topics().entry(topic.to_owned()).or_insert_with(new).subscribe()
    }

    /// Tells of what was committed.
    pub(super) fn announce(&self, next: impl IntoIterator<Item = (String, u64)>) {
        let topics = self.topics();
        for (topic, next) in next {
            if let Some(sender) = topics.get(&topic) {
                raise(sender, next);
            }
        }
    }

    /// Tells of what others committed.
    pub(super) fn look(&self, reading: &Reading) -> Result<()> {
        let mut topics = self.topics();
        topics.retain(|_, sender| sender.receiver_count() > 0);
        for (topic, sender) in &*topics {
            if let Some(topic) = reading.topic(topic)? {
                raise(sender, topic.next);
            }
        }
        Ok(())
    }

    /// Nobody is told of anything any more.
    pub(super) fn end(&self) {
        self.topics().clear();
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<String, watch::Sender<u64>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn raise(sender: &watch::Sender<u64>, next: u64) {
    sender.send_if_modified(|known| {
        let higher = next > *known;
        *known = next.max(*known);
        higher
    });
}

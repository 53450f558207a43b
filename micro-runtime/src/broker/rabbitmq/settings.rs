//! What can be chosen.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::address::Servers;

/// From a group and a topic to the name of a queue.
type QueueNames = Arc<dyn Fn(&str, &str) -> String + Send + Sync>;

#[derive(Clone)]
pub(super) struct Settings {
    pub(super) servers: Servers,
    pub(super) exchange: String,
    pub(super) queue_names: Option<QueueNames>,
    pub(super) quorum_queues: bool,
    pub(super) max_length: Option<u32>,
    pub(super) max_event_size: usize,
    pub(super) root_certificates: Option<PathBuf>,
}

impl Settings {
    /// The same choices as go-micro's, with these servers.
    pub(super) fn new(servers: Servers) -> Self {
        Self {
            servers,
            exchange: "micro".to_owned(),
            queue_names: None,
            quorum_queues: false,
            max_length: None,
            max_event_size: 16 * 1024 * 1024,
            root_certificates: None,
        }
    }
}

/// Shows no secrets.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("servers", &self.servers)
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}

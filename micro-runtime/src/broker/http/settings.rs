use std::num::NonZeroUsize;
use std::time::Duration;

/// What can be set, see the methods of [`Http`](super::Http).
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) address: String,
    pub(super) advertise: Option<String>,
    pub(super) largest_event: NonZeroUsize,
    pub(super) waiting: NonZeroUsize,
    pub(super) connections: NonZeroUsize,
    pub(super) in_flight: NonZeroUsize,
    pub(super) patience: Duration,
    pub(super) answer_limit: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:0".to_owned(),
            advertise: None,
            largest_event: const { NonZeroUsize::new(4 << 20).unwrap() },
            waiting: const { NonZeroUsize::new(256).unwrap() },
            connections: const { NonZeroUsize::new(1024).unwrap() },
            in_flight: const { NonZeroUsize::new(64).unwrap() },
            patience: Duration::from_secs(25),
            answer_limit: Duration::from_secs(600),
        }
    }
}

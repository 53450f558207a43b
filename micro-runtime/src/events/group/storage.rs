use async_trait::async_trait;
use tokio::sync::watch;

use super::{Claim, Progress};
use crate::error::Result;
use crate::events::{Start, Stored};

/// What groups need of the log that they are groups of.
#[async_trait]
pub(in crate::events) trait Storage: Send + Sync + 'static {
    /// The events from this offset on, at the most `limit`; at least one, where there is one.
    async fn fetch(&self, topic: &str, offset: u64, limit: usize) -> Result<Fetched>;

    /// Where somebody begins who begins there.
    async fn locate(&self, topic: &str, start: Start) -> Result<u64>;

    /// The offset that the next event of the topic will have, now and later. It is over when the log was closed.
    async fn next(&self, topic: &str) -> Result<watch::Receiver<u64>>;

    /// How far the group is; one that is not there is made, and begins at `start`.
    async fn open(&self, topic: &str, group: &str, start: Start) -> Result<Opened>;

    /// Keeps how far the group is. `false` where it was deleted.
    async fn save(&self, topic: &str, group: &str, progress: Progress) -> Result<bool>;
}

/// Some events of a topic.
#[derive(Debug)]
pub(in crate::events) struct Fetched {
    /// The oldest one that is kept, or the next one where there is none.
    pub(in crate::events) first: u64,
    /// Those that were asked for.
    pub(in crate::events) events: Vec<Stored>,
}

/// What opening a group found.
pub(in crate::events) enum Opened {
    /// It is here, and is nobody else's while this is kept.
    Here(Progress, Claim),
    /// Another process has it at the moment.
    #[cfg_attr(not(feature = "file"), expect(dead_code, reason = "others are of one process"))]
    Elsewhere,
}

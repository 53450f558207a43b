use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::Group;
use crate::broker::Acknowledge;
use crate::error::{Error, Result};

/// How long an event that was refused waits the first time, and at the most. The time is doubled with every attempt.
const REFUSED_FIRST: Duration = Duration::from_secs(1);
const REFUSED_MOST: Duration = Duration::from_secs(60);

/// An event in somebody's hand.
pub(super) struct Hold {
    pub(super) group: Arc<Group>,
    pub(super) offset: u64,
    pub(super) number: u64,
    pub(super) attempts_before: u32,
    /// Nothing was said about it yet.
    pub(super) open: bool,
}

#[async_trait]
impl Acknowledge for Hold {
    async fn ack(mut self: Box<Self>) -> Result<()> {
        self.open = false;
        self.group.ack(self.offset, self.number);
        Ok(())
    }

    async fn refuse(self: Box<Self>, error: &Error) {
        let doubled = REFUSED_FIRST.saturating_mul(1 << self.attempts_before.min(10));
        let wait = error.retry_after().unwrap_or(doubled).min(REFUSED_MOST);
        self.give_back(wait).await;
    }

    async fn give_back(mut self: Box<Self>, after: Duration) {
        self.open = false;
        self.group.give_back(self.offset, self.number, after);
    }

    async fn extend(&self) {
        self.group.state().extend(self.offset, self.number, Instant::now());
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        if self.open {
            self.group.give_back(self.offset, self.number, Duration::ZERO);
        }
    }
}

//! What every broker has to do when its server is broken.

use std::fmt;

use async_trait::async_trait;

use super::Scenario;
use crate::error::Result;

/// Breaks the server of a broker, and mends it. The test of a driver has one for a server of its own.
#[async_trait]
pub trait Faults: fmt::Debug + Send + Sync + 'static {
    /// Ends the server as a crash does, with `kill -9`.
    async fn kill(&self) -> Result<()>;

    /// Starts the server that was killed again, at the same address and with the data that it had on its disk, and
    /// returns when it serves.
    async fn restart(&self) -> Result<()>;
}

pub(super) const SCENARIOS: &[Scenario] = &[];

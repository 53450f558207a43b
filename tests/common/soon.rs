//! Waiting for events.

use std::time::Duration;

use tokio::time::timeout;

/// Longer than anything here takes, on a machine that has much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits for an event that comes soon, or fails.
pub(crate) async fn soon<T>(event: impl Future<Output = T>) -> T {
    timeout(PATIENCE, event).await.expect("it does not happen")
}

use std::pin::pin;

use tokio_util::sync::CancellationToken;

use super::signals::Signals;
use super::start::start;
use super::{Running, Service};
use crate::error::{Error, Result};

/// From start to stop: the first signal, whenever it comes, stops the service in order, and the
/// second one at once.
pub(super) async fn run(service: Service) -> Result<()> {
    // Heard from now on: these handlers take the place of what a signal does by itself.
    let mut signals = Signals::new()?;
    let stop = CancellationToken::new();
    let mut start = pin!(start(service, stop.cancelled()));
    let started = tokio::select! {
        started = &mut start => started?,
        signal = signals.next() => {
            tracing::info!(signal, "stopping before the start was done");
            stop.cancel();
            unless_hurried(&mut signals, start).await?
        }
    };
    match started {
        Ok(running) => until(running, signals).await,
        Err(()) => Ok(()),
    }
}

/// Serves until a signal comes.
pub(super) async fn until(running: Running, mut signals: Signals) -> Result<()> {
    let signal = signals.next().await;
    tracing::info!(signal, "stopping");
    unless_hurried(&mut signals, running.stop()).await
}

/// Waits for the stop, unless a second signal comes.
async fn unless_hurried<T>(signals: &mut Signals, stop: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::select! {
        stopped = stop => stopped,
        signal = signals.next() => Err(Error::canceled(format!(
            "stopped at once by a second signal ({signal}), with calls in flight or hooks under way"
        ))),
    }
}

//! The threads that calls are made in: one runtime for all of them, or one for each core.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::closed_loop::{LAST_CALLS, repeat};
use crate::command::Client;
use crate::program::runtime;
use crate::stack::{Connection as _, Sharing, Stack};
use crate::tally::Tally;
use crate::{Error, NAME, Result, THREADS, Workload};

/// Runtimes in which a workload is under way.
pub(crate) struct Runtimes {
    threads: Vec<JoinHandle<()>>,
    failures: Receiver<Error>,
}

impl Runtimes {
    /// Connects, and begins to make calls.
    pub(crate) fn start<S: Stack>(client: &Client, tally: &Arc<Tally>) -> Result<Self> {
        let shares = if client.per_core { shares(client.workload) } else { vec![client.workload] };
        let (connected, all_connected) = channel();
        let (failed, failures) = channel();
        let mut threads = Vec::new();
        for &workload in &shares {
            let runtime = if client.per_core { one_thread()? } else { runtime()? };
            let (address, variant, tally) = (client.address, client.variant.clone(), tally.clone());
            let (connected, failed) = (connected.clone(), failed.clone());
            threads.push(std::thread::spawn(move || {
                let done = runtime.block_on(share::<S>(address, &variant, workload, tally, connected));
                if let Err(error) = done {
                    // Nobody listens any more once the first error was told.
                    let _ = failed.send(error);
                }
                // What is left of connections is of no interest.
                runtime.shutdown_background();
            }));
        }
        drop((connected, failed));
        for _ in &shares {
            if all_connected.recv().is_err() {
                return Err(failures.recv().unwrap_or_else(|_| "the client ended early".into()));
            }
        }
        Ok(Self { threads, failures })
    }

    /// Lets it go on for this long, unless a call fails.
    pub(crate) fn wait(&self, time: Duration) -> Result<()> {
        match self.failures.recv_timeout(time) {
            Ok(error) => Err(error),
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Err(RecvTimeoutError::Disconnected) => Err("the client ended early".into()),
        }
    }

    /// Waits for the last calls.
    pub(crate) fn join(self) -> Result<()> {
        let limit = Instant::now() + LAST_CALLS;
        let left = limit.saturating_duration_since(Instant::now());
        match self.failures.recv_timeout(left) {
            Ok(error) => return Err(error),
            Err(RecvTimeoutError::Timeout) => return Err("the last calls did not end".into()),
            // All threads have ended.
            Err(RecvTimeoutError::Disconnected) => {}
        }
        for thread in self.threads {
            thread.join().map_err(|_| "a thread of the client panicked")?;
        }
        Ok(())
    }
}

/// One runtime's part of the calls.
async fn share<S: Stack>(
    address: SocketAddr,
    variant: &str,
    workload: Workload,
    tally: Arc<Tally>,
    connected: Sender<()>,
) -> Result<()> {
    let clients = match S::sharing(variant) {
        Sharing::Multiplexed => workload.connections.min(workload.in_flight),
        Sharing::OneEach => workload.in_flight,
        Sharing::Pooled => 1,
    };
    let mut connections = Vec::with_capacity(clients);
    for _ in 0..clients {
        let connection = S::connect(variant, address).await?;
        // HTTP/2 knows only from here on how many calls the server takes at once.
        connection.echo(NAME, b"").await?;
        connections.push(Arc::new(connection));
    }
    // `start` has gone only if another runtime failed.
    let _ = connected.send(());
    drop(connected);
    let mut calls = JoinSet::new();
    for connection in connections.iter().cycle().take(workload.in_flight) {
        calls.spawn(repeat(connection.clone(), workload, tally.clone()));
    }
    while let Some(done) = calls.join_next().await {
        done??;
    }
    Ok(())
}

/// The workload in parts, one for each core.
fn shares(workload: Workload) -> Vec<Workload> {
    let parts = THREADS.min(workload.in_flight);
    let part = |whole: usize, index: usize| whole / parts + usize::from(index < whole % parts);
    let share = |index| Workload {
        in_flight: part(workload.in_flight, index),
        connections: part(workload.connections, index).max(1),
        ..workload
    };
    (0..parts).map(share).collect()
}

fn one_thread() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;

    #[test]
    fn cores_share_the_calls_and_the_connections() {
        let whole = Workload::new(Kind::Unary, 0, 65).on(4);
        let parts = shares(whole);
        assert_eq!(parts.iter().map(|part| part.in_flight).sum::<usize>(), 65);
        assert_eq!(parts.iter().map(|part| part.connections).sum::<usize>(), 4);
        assert_eq!(shares(Workload::new(Kind::Unary, 0, 1)).len(), 1, "one call is in one place");
    }
}

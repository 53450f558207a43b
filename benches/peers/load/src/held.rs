//! What connections and streams take that are open, and on which nothing happens.

use std::sync::Arc;
use std::time::Duration;

use crate::command::Client;
use crate::process::connections_to;
use crate::program::runtime;
use crate::stack::{Connection, Kept, Stack};
use crate::{Held, Kind, NAME, Outcome, Result, cpu_seconds, memory};

/// How long is waited until what a call leaves behind is cleared away.
const SETTLE: Duration = Duration::from_millis(300);

/// Opens as many as the workload says, and looks at the memory before and after.
pub(crate) fn run<S: Stack>(client: &Client) -> Result<Outcome> {
    runtime()?.block_on(hold::<S>(client))
}

async fn hold<S: Stack>(client: &Client) -> Result<Outcome> {
    let count = client.workload.in_flight;
    let server = || client.server_pid.and_then(|pid| memory(Some(pid)));
    // The first one pays for everything that is there once.
    let first = Arc::new(S::connect(&client.variant, client.address).await?);
    first.echo(NAME, b"").await?;
    let mut kept: Vec<Kept> = Vec::with_capacity(count + 1);
    if client.workload.kind == Kind::OpenStreams {
        kept.push(first.keep_open(NAME, b"").await?);
    }
    tokio::time::sleep(SETTLE).await;
    let (own_before, server_before) = (memory(None), server());
    for _ in 0..count {
        if client.workload.kind == Kind::OpenStreams {
            kept.push(first.keep_open(NAME, b"").await?);
        } else {
            let connection = S::connect(&client.variant, client.address).await?;
            connection.echo(NAME, b"").await?;
            kept.push(Box::new(connection));
        }
    }
    tokio::time::sleep(SETTLE).await;
    let (own_after, server_after) = (memory(None), server());
    let each = |before: Option<crate::Memory>, after: Option<crate::Memory>| {
        Some(after?.now.saturating_sub(before?.now) as f64 / count as f64)
    };
    let outcome = Outcome {
        workload: client.workload,
        seconds: 0.0,
        calls: count as u64,
        latency: None,
        client_cpu: cpu_seconds(None).unwrap_or(0.0),
        server_cpu: client.server_pid.and_then(|pid| cpu_seconds(Some(pid))),
        client_peak: own_after.map(|memory| memory.peak),
        server_peak: server_after.map(|memory| memory.peak),
        connections: connections_to(client.address),
        held: Some(Held {
            count,
            server_each: each(server_before, server_after),
            client_each: each(own_before, own_after),
        }),
    };
    drop(kept);
    Ok(outcome)
}

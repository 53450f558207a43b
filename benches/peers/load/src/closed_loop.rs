//! The closed loop: a fixed number of calls in flight, for a fixed time.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::command::Client;
use crate::process::connections_to;
use crate::runtimes::Runtimes;
use crate::stack::{Connection, Stack};
use crate::tally::Tally;
use crate::{Kind, NAME, Outcome, Result, Turns, Workload, cpu_seconds, memory};

/// Puts the workload on the server, and says what came of it.
pub(crate) fn run<S: Stack>(client: &Client) -> Result<Outcome> {
    let tally = Arc::new(Tally::default());
    let runtimes = Runtimes::start::<S>(client, &tally)?;

    runtimes.wait(Duration::from_secs_f64(client.warm_up))?;
    let cpu = || (cpu_seconds(None), client.server_pid.and_then(|pid| cpu_seconds(Some(pid))));
    let (own_before, server_before) = cpu();
    let begun = Instant::now();
    tally.begin();
    runtimes.wait(Duration::from_secs_f64(client.measure))?;
    // The clients go with the last calls, their connections with them.
    let connections = connections_to(client.address);
    tally.end();
    let seconds = begun.elapsed().as_secs_f64();
    let (own_after, server_after) = cpu();
    runtimes.join()?;

    let (calls, latency) = tally.total();
    if calls == 0 {
        return Err(format!("no call ended within {seconds:.1} s").into());
    }
    let between = |before: Option<f64>, after: Option<f64>| Some(after? - before?);
    Ok(Outcome {
        workload: client.workload,
        seconds,
        calls,
        latency,
        client_cpu: between(own_before, own_after).unwrap_or(f64::NAN),
        server_cpu: between(server_before, server_after),
        client_peak: memory(None).map(|memory| memory.peak),
        server_peak: client.server_pid.and_then(|pid| Some(memory(Some(pid))?.peak)),
        connections,
        held: None,
    })
}

/// One of the calls in flight: as soon as it has ended, the next one begins.
pub(crate) async fn repeat<C: Connection>(
    connection: Arc<C>,
    workload: Workload,
    tally: Arc<Tally>,
) -> Result<()> {
    let payload = vec![b'x'; workload.size];
    let size = u32::try_from(workload.size)?;
    while !tally.is_over() {
        match workload.kind {
            Kind::Unary => {
                let begun = Instant::now();
                let length = connection.echo(NAME, &payload).await?;
                tally.ended(begun.elapsed());
                check(length, workload.size)?;
            }
            Kind::ServerStream => {
                let mut arrived = 0;
                let mut wrong = None;
                let mut each = |length| {
                    arrived += 1;
                    tally.arrived();
                    if length != workload.size {
                        wrong = Some(length);
                    }
                };
                connection.count(Kind::MESSAGES, size, &mut each).await?;
                wrong.map_or(Ok(()), |length| check(length, workload.size))?;
                if arrived != Kind::MESSAGES {
                    return Err(format!("{arrived} messages came instead of {}", Kind::MESSAGES).into());
                }
            }
            Kind::Bidi => {
                let turns = Turns::new(tally.clone(), Kind::WINDOW, Kind::MESSAGES, workload.size);
                connection.chat(NAME, &payload, turns.clone()).await?;
                turns.check()?;
            }
            Kind::IdleConnections | Kind::OpenStreams => {
                return Err(format!("`{workload}` is not a workload of calls").into());
            }
        }
    }
    Ok(())
}

/// Stops a benchmark that would measure something else.
pub(crate) fn check(length: usize, size: usize) -> Result<()> {
    if length == size { Ok(()) } else { Err(format!("{length} bytes came back instead of {size}").into()) }
}

/// How long the last calls may take once the time is over.
pub(crate) const LAST_CALLS: Duration = Duration::from_secs(20);

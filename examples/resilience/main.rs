//! Calls that keep succeeding while nodes die. Three nodes, which are processes of their own, are killed or told to
//! stop in turn, and replaced; all the while they are called, and a line each second says how that goes.
//!
//! ```text
//! cargo run --example resilience
//! cargo run --example resilience -- --seconds 20
//! ```
//!
//! Nothing has to be installed: the nodes are found with mDNS. `MICRO_REGISTRY` chooses another registry.
//! At the end, which is Ctrl-C or comes after `--seconds`, there is a summary; the exit code is 1 where a call failed.

mod fleet;
mod load;
mod node;

use std::process::ExitCode;
use std::time::Duration;

use fleet::Fleet;
use load::{Load, Tally};
use micro::registry::{Discovery, View, from_environment};
use micro::{Client, Environment, Error, Result};
use tokio::sync::mpsc;
use tokio::time::{Instant, interval_at, sleep};

const NODES: usize = 3;

/// So often a node is killed, or told to stop.
const TROUBLE_EVERY: Duration = Duration::from_secs(3);

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        // This is how the program starts its nodes.
        ["node", service, id] => node::run(service, id).await.map(|()| ExitCode::SUCCESS),
        ["--seconds", seconds] => {
            let seconds = seconds.parse().map_err(|_| usage())?;
            watch(sleep(Duration::from_secs(seconds))).await
        }
        [] => {
            watch(async {
                let _ = tokio::signal::ctrl_c().await;
            })
            .await
        }
        _ => Err(usage()),
    }
}

fn usage() -> Error {
    Error::invalid_argument("say `--seconds 20`, or nothing to go on until Ctrl-C")
}

/// Makes trouble, calls, and prints a line each second, until that is over.
async fn watch(over: impl Future<Output = ()>) -> Result<ExitCode> {
    // A program that is started twice has two fleets.
    let service = format!("resilience-{}", std::process::id());
    let fleet = Fleet::start(&service, NODES).await?;
    println!("{NODES} nodes run. Every {TROUBLE_EVERY:?} one of them is killed, or told to stop.\n");

    // The client has its nodes from the view that the lines below are about.
    let discovery = Discovery::new(from_environment(&Environment::process())?);
    let view = discovery.view(&service)?;
    view.ready(None).await?;
    // With the defaults for all else: retries of calls that may be made twice, within a budget, are among them.
    let client = Client::builder().discovery(discovery).build();
    let load = Load::start(client, &service);

    let (tell, mut news) = mpsc::channel(16);
    let mut trouble = tokio::spawn(fleet.trouble(TROUBLE_EVERY, tell));
    let second = Duration::from_secs(1);
    let mut seconds = interval_at(Instant::now() + second, second);
    let (mut total, mut retried) = (Tally::default(), 0);
    tokio::pin!(over);
    loop {
        tokio::select! {
            _ = seconds.tick() => {
                let tally = load.take();
                let retries = load.retries();
                let again = retries - retried;
                println!(
                    "{tally}   {again:>2} retries   {}   {}",
                    nodes(&view),
                    news.try_recv().unwrap_or_default()
                );
                retried = retries;
                total.add(tally);
            }
            ended = &mut trouble => ended.map_err(|error| Error::internal(error.to_string()))??,
            () = &mut over => break,
        }
    }
    total.add(load.take());
    println!("\n{total}   {:>2} retries, in all", load.retries());
    if let Some(error) = total.first_error() {
        println!("the first of the calls that failed: {error}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

/// How many nodes the client knows, and how many of them it would call now.
fn nodes(view: &View) -> String {
    let nodes = view.nodes();
    let in_use = nodes.iter().filter(|node| node.is_available(Instant::now())).count();
    format!("{} nodes known, {in_use} in use", nodes.len())
}

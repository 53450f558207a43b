//! What the program of a stack can be told.

use std::net::SocketAddr;

use clap::{Args, Parser, Subcommand};

use crate::Workload;

/// One stack of the benchmark.
#[derive(Debug, Parser)]
pub(crate) struct Command {
    #[command(subcommand)]
    pub(crate) role: Role,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Role {
    /// Serves on a port of loopback that the system chooses, prints the address, and ends with its input.
    Server(Server),
    /// Puts a workload on a server, and prints the outcome as one line of JSON.
    Client(Client),
}

#[derive(Debug, Args)]
pub(crate) struct Server {
    /// Which protocol or setting, for stacks that have several.
    #[arg(long, default_value = "")]
    pub(crate) variant: String,
}

#[derive(Debug, Args)]
pub(crate) struct Client {
    /// Where the server listens.
    pub(crate) address: SocketAddr,
    /// For example `unary-1k-64-4c`: 1 KiB each way, 64 calls in flight, on 4 connections.
    pub(crate) workload: Workload,
    /// Which protocol or setting, for stacks that have several.
    #[arg(long, default_value = "")]
    pub(crate) variant: String,
    /// How long calls are made before they count, in seconds.
    #[arg(long, default_value_t = 0.5, value_parser = seconds)]
    pub(crate) warm_up: f64,
    /// How long calls are counted, in seconds.
    #[arg(long, default_value_t = 2.0, value_parser = seconds)]
    pub(crate) measure: f64,
    /// The process of the server, so that its processor time and memory are in the outcome.
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// One runtime of one thread for each core, with connections of its own, instead of one for all.
    #[arg(long)]
    pub(crate) per_core: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("`{text}` is not a number of seconds"))?;
    if (0.0..=3600.0).contains(&seconds) { Ok(seconds) } else { Err("at most an hour".to_owned()) }
}

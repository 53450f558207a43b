//! The server of the interop tests. It prints its address, and runs until it is told to stop.

mod failures;
mod load;
mod service;

use std::sync::Arc;

use micro::registry::Memory;
use micro::{Environment, Result, Service};

use failures::Failing;
use load::{Load, Reports};
use service::Tests;

#[tokio::main]
async fn main() -> Result<()> {
    let load = Arc::new(Load::default());
    let running = Service::new("interop")
        .environment(Environment::empty())
        .registry(Memory::new())
        .handle(Tests::new(load.clone()))
        .handle(Reports(load))
        .handle(Failing)
        .start()
        .await?;
    println!("{}", running.address());
    running.until_signal().await
}

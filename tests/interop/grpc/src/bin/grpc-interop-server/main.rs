//! The server of the interop tests. It prints its address, and runs until it is told to stop. With a
//! folder as its argument it serves with TLS, and leaves a certificate for all servers there.

mod certificate;
mod failures;
mod load;
mod service;

use std::path::Path;
use std::sync::Arc;

use micro::registry::Memory;
use micro::{Environment, Result, Service};

use failures::Failing;
use load::{Load, Reports};
use service::Tests;

#[tokio::main]
async fn main() -> Result<()> {
    let load = Arc::new(Load::default());
    let mut service = Service::new("interop")
        .environment(Environment::empty())
        .registry(Memory::new())
        .handle(Tests::new(load.clone()))
        .handle(Reports(load))
        .handle(Failing);
    if let Some(folder) = std::env::args_os().nth(1) {
        service = service.tls(certificate::make(Path::new(&folder))?);
    }
    let running = service.start().await?;
    println!("{}", running.address());
    running.until_signal().await
}

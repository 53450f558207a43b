//! The floor: what loopback and protobuf cost when nothing else is done.
//!
//! Calls are multiplexed on a connection as frames of a length, a number, a kind and a message. What is ready
//! goes out in one write, and no task is made for a call. There are no names of methods, metadata,
//! deadlines, cancellation, flow control or errors.

mod client;
mod frame;
mod server;

use std::net::SocketAddr;
use std::process::ExitCode;

use load::{Ready, Result, Stack};

struct RawTcp;

impl Stack for RawTcp {
    const NAME: &'static str = "raw-tcp";
    type Connection = client::Connection;

    async fn serve(_variant: &str, ready: Ready) -> Result<()> {
        server::serve(ready).await
    }

    async fn connect(_variant: &str, address: SocketAddr) -> Result<client::Connection> {
        client::connect(address).await
    }
}

fn main() -> ExitCode {
    load::main::<RawTcp>()
}

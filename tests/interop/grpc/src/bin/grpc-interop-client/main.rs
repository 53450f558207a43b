//! The client of the interop tests: makes the calls of each case that is named and looks at what
//! comes back. It prints a line for every case. The variable `CA_FILE` names the root of servers with
//! TLS.

mod cases;
mod more;
mod peer;

use std::process::ExitCode;
use std::time::Duration;

use micro::tls::ClientTls;
use micro::{Error, Result};
use tokio::time::timeout;

use peer::Peer;

/// Far longer than any case takes.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main]
async fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let (Some(protocol), Some(address)) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: grpc-interop-client <protocol> <address> <case>…");
        return ExitCode::FAILURE;
    };
    let peer = match peer(&protocol, &address) {
        Ok(peer) => peer,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let mut passed = true;
    for case in arguments {
        let outcome = timeout(PATIENCE, run(&peer, &case)).await;
        match outcome.unwrap_or_else(|_| Err(Error::deadline_exceeded("it does not end"))) {
            Ok(()) => println!("ok      {case}"),
            Err(error) => {
                println!("FAILED  {case}: {error:?}");
                passed = false;
            }
        }
    }
    if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn peer(protocol: &str, address: &str) -> Result<Peer> {
    let tls = std::env::var_os("CA_FILE").map(|file| ClientTls::new().roots_file(file)).transpose()?;
    Ok(Peer::new(protocol.parse()?, address, tls))
}

async fn run(peer: &Peer, case: &str) -> Result<()> {
    match case {
        "empty_unary" => cases::empty_unary(peer).await,
        "large_unary" => cases::large_unary(peer).await,
        "client_streaming" => cases::client_streaming(peer).await,
        "server_streaming" => cases::server_streaming(peer).await,
        "ping_pong" => cases::ping_pong(peer).await,
        "empty_stream" => cases::empty_stream(peer).await,
        "timeout_on_sleeping_server" => cases::timeout_on_sleeping_server(peer).await,
        "cancel_after_begin" => cases::cancel_after_begin(peer).await,
        "cancel_after_first_response" => cases::cancel_after_first_response(peer).await,
        "status_code_and_message" => cases::status_code_and_message(peer).await,
        "special_status_message" => cases::special_status_message(peer).await,
        "custom_metadata" => cases::custom_metadata(peer).await,
        "unimplemented_method" => cases::unimplemented_method(peer).await,
        "unimplemented_service" => cases::unimplemented_service(peer).await,
        "rpc_soak" => more::rpc_soak(peer).await,
        "channel_soak" => more::channel_soak(peer).await,
        "orca_per_rpc" => more::orca_per_rpc(peer).await,
        "orca_oob" => more::orca_oob(peer).await,
        "error_details" => more::error_details(peer).await,
        "gzip" => more::gzip(peer).await,
        _ => Err(Error::invalid_argument("there is no such case")),
    }
}

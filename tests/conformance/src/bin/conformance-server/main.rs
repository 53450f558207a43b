//! The server under test: the suite says on stdin what to serve, and gets the port on stdout.

mod answers;
mod service;

use std::time::Duration;

use micro::registry::Memory;
use micro::server::Limits;
use micro::{Environment, Error, Result, Service};
use micro_conformance::pipe;
use micro_conformance::proto::{ServerCompatRequest, ServerCompatResponse};
use tokio::io::{stdin, stdout};

#[tokio::main]
async fn main() -> Result<()> {
    let asked: ServerCompatRequest = pipe::read(&mut stdin())
        .await?
        .ok_or_else(|| Error::invalid_argument("stdin ended before it said what to serve"))?;
    let running = configured(&asked)?.start().await?;
    let (host, port) = running
        .address()
        .rsplit_once(':')
        .ok_or_else(|| Error::internal(format!("`{}` has no port", running.address())))?;
    let port = port.parse().map_err(|_| Error::internal(format!("`{port}` is no port")))?;
    let listening = ServerCompatResponse { host: host.to_owned(), port, pem_cert: certificate(&asked) };
    pipe::write(&mut stdout(), &listening).await?;
    running.until_signal().await
}

/// The service as the suite wants it. Protocols and HTTP versions need no option: a service speaks
/// all of them on its one port.
fn configured(asked: &ServerCompatRequest) -> Result<Service> {
    let mut limits = Limits::new();
    if let Some(limit) = usize::try_from(asked.message_receive_limit).ok().filter(|limit| *limit > 0) {
        limits = limits.max_message_size(limit);
    }
    if asked.use_tls {
        return Err(Error::unimplemented("TLS"));
    }
    Ok(Service::new("conformance")
        .environment(Environment::empty())
        .registry(Memory::new())
        .limits(limits)
        .spread_delay(Duration::ZERO)
        .drain_timeout(Duration::from_secs(1))
        .handle(service::Suite))
}

/// The certificate that clients have to trust.
fn certificate(asked: &ServerCompatRequest) -> Vec<u8> {
    asked.server_creds.as_ref().filter(|_| asked.use_tls).map(|own| own.cert.clone()).unwrap_or_default()
}

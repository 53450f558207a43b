//! The server under test: the suite says on stdin what to serve, and gets the port on stdout.

mod answers;
mod service;

use std::time::Duration;

use micro::registry::Memory;
use micro::server::Limits;
use micro::tls::ServerTls;
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
    let service = Service::new("conformance")
        .environment(Environment::empty())
        .registry(Memory::new())
        .limits(limits)
        .spread_delay(Duration::ZERO)
        .drain_timeout(Duration::from_secs(1))
        .handle(service::Suite);
    Ok(match tls(asked)? {
        Some(tls) => service.tls(tls),
        None => service,
    })
}

/// With the certificate that the suite brings, which is for loopback alone.
fn tls(asked: &ServerCompatRequest) -> Result<Option<ServerTls>> {
    if !asked.use_tls {
        return Ok(None);
    }
    let own = asked
        .server_creds
        .as_ref()
        .ok_or_else(|| Error::invalid_argument("the suite wants TLS and gives no certificate for it"))?;
    let tls = ServerTls::pem(&own.cert, &own.key)?;
    Ok(Some(match asked.client_tls_cert.as_slice() {
        [] => tls,
        roots => tls.client_roots(roots)?,
    }))
}

/// The certificate that clients have to trust.
fn certificate(asked: &ServerCompatRequest) -> Vec<u8> {
    asked.server_creds.as_ref().filter(|_| asked.use_tls).map(|own| own.cert.clone()).unwrap_or_default()
}

use async_trait::async_trait;

#[cfg(unix)]
use super::Unix;
use super::{BoxIo, Listener, Tcp, Transport, is_path};
use crate::error::Result;

/// What an address says: `unix:/path` is a Unix socket, and everything else is [`Tcp`]. The default of
/// services and clients.
///
/// Unix sockets are listened on with the defaults of `Unix`, which says how they behave; systems that
/// have none refuse them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sockets;

#[async_trait]
impl Transport for Sockets {
    fn name(&self) -> &'static str {
        "sockets"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        if is_path(address) { listen_unix(address).await } else { Tcp.listen(address).await }
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        if is_path(address) { connect_unix(address).await } else { Tcp.connect(address).await }
    }

    fn advertised(&self, local: &str) -> Result<String> {
        Tcp.advertised(local)
    }
}

#[cfg(unix)]
async fn listen_unix(address: &str) -> Result<Box<dyn Listener>> {
    Unix::new().listen(address).await
}

#[cfg(unix)]
async fn connect_unix(address: &str) -> Result<BoxIo> {
    Unix::new().connect(address).await
}

#[cfg(not(unix))]
async fn listen_unix(address: &str) -> Result<Box<dyn Listener>> {
    Err(none(address))
}

#[cfg(not(unix))]
async fn connect_unix(address: &str) -> Result<BoxIo> {
    Err(none(address).never_processed())
}

#[cfg(not(unix))]
#[cold]
fn none(address: &str) -> crate::error::Error {
    crate::error::Error::invalid_argument(format!(
        "`{address}` is the address of a Unix socket, and there are none on this system: use `host:port`"
    ))
}

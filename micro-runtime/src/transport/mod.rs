//! Transports: how bytes get from node to node.
//!
//! A [`Transport`] listens and connects. [`Sockets`] is the default: [`Tcp`], and `Unix` sockets where an
//! address says so; [`Memory`] joins services and clients in one process without a socket, which is what
//! tests use. Everything above works on any pair of [`Listener`] and [`BoxIo`], so a simulated network fits
//! in as well.

mod memory;
mod sockets;
mod tcp;
#[cfg(unix)]
mod unix;

use std::fmt;
use std::io;
use std::sync::Arc;

/// For implementations of the traits of this module.
pub use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

pub use memory::Memory;
pub use sockets::Sockets;
pub use tcp::Tcp;
#[cfg(unix)]
pub use unix::Unix;

use crate::error::Result;

/// What the address of a Unix socket begins with.
pub(crate) const SCHEME: &str = "unix:";

/// Whether an address is that of a Unix socket, which has no host and no port.
pub(crate) fn is_path(address: &str) -> bool {
    address.starts_with(SCHEME)
}

/// A connection.
pub type BoxIo = Box<dyn Io>;

/// What a connection must be able to do. Every type that can, does.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + 'static> Io for T {}

/// A way to move bytes between nodes.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// The name for logs, `tcp` for example.
    fn name(&self) -> &'static str;

    /// Listens on an address.
    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>>;

    /// Connects to an address that a listener of this transport has. An error here means that
    /// nothing was sent.
    async fn connect(&self, address: &str) -> Result<BoxIo>;

    /// The address to put into the registry for a listener on `local`, where the service does not
    /// name one.
    fn advertised(&self, local: &str) -> Result<String> {
        Ok(local.to_owned())
    }

    /// The address to listen on where the service names none: any free one, for callers on this machine.
    fn any_address(&self) -> &'static str {
        "127.0.0.1:0"
    }
}

/// A shared transport is one as well, so that one that was chosen at run time can be given to a
/// service or a client.
#[async_trait]
impl<T: Transport + ?Sized> Transport for Arc<T> {
    fn name(&self) -> &'static str {
        (**self).name()
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        (**self).listen(address).await
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        (**self).connect(address).await
    }

    fn advertised(&self, local: &str) -> Result<String> {
        (**self).advertised(local)
    }

    fn any_address(&self) -> &'static str {
        (**self).any_address()
    }
}

/// A socket that accepts connections. It stops to listen when it is dropped.
#[async_trait]
pub trait Listener: Send + 'static {
    /// The address it listens on, with the port that the system chose.
    fn address(&self) -> String;

    /// Waits for the next connection and says where it comes from.
    ///
    /// One connection is accepted at a time, so this must wait for nothing that is up to the peer:
    /// a handshake belongs into the connection's first read or write, where the time that a peer has
    /// for its first words (the limit `header_timeout`) holds for it as well. The future may be
    /// dropped before it is done, and no connection may be lost by that.
    async fn accept(&mut self) -> io::Result<(BoxIo, String)>;

    /// Whether it can [`accept_movable`](Self::accept_movable); it cannot unless this is implemented.
    fn is_movable(&self) -> bool {
        false
    }

    /// Waits as [`accept`](Self::accept) does, for a connection that another runtime is to have. A service
    /// with a [runtime per core](crate::Service::runtime_per_core) needs it.
    async fn accept_movable(&mut self) -> io::Result<(Movable, String)> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the listener cannot give its connections away"))
    }
}

/// A connection that belongs to no runtime yet. Called in one, it becomes a connection there.
pub type Movable = Box<dyn FnOnce() -> io::Result<BoxIo> + Send>;

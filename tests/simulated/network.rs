//! A transport over the sockets of a simulated network. This is all it takes.

use std::io;

use micro::transport::{BoxIo, Listener, Transport, async_trait};
use micro::{Error, Result};
use turmoil::net::{TcpListener, TcpStream};

/// The network of the simulation that the caller is in: addresses are `host:port`, with the names that the
/// hosts have there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulated;

struct Listening(TcpListener);

#[async_trait]
impl Transport for Simulated {
    fn name(&self) -> &'static str {
        "simulated"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        match TcpListener::bind(host_and_port(address)?).await {
            Ok(listener) => Ok(Box::new(Listening(listener))),
            Err(error) => Err(Error::unavailable(format!("cannot listen on {address}: {error}"))),
        }
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        match TcpStream::connect(host_and_port(address)?).await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                Err(Error::unavailable(format!("cannot connect to {address}: {error}")).never_processed())
            }
        }
    }

    fn any_address(&self) -> &'static str {
        "0.0.0.0:0"
    }
}

fn host_and_port(address: &str) -> Result<(&str, u16)> {
    let parts = address.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    parts.ok_or_else(|| Error::invalid_argument(format!("`{address}` is no `host:port`")).never_processed())
}

#[async_trait]
impl Listener for Listening {
    fn address(&self) -> String {
        self.0.local_addr().map(|address| address.to_string()).unwrap_or_default()
    }

    async fn accept(&mut self) -> io::Result<(BoxIo, String)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((Box::new(stream), peer.to_string()))
    }
}

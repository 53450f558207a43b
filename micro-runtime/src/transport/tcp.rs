use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};

use super::{BoxIo, Listener, Movable, Transport};
use crate::error::{Error, Result};

/// How long the other side may be silent before it is asked whether it is still there, and how
/// often it is asked. After some silence more, nine questions on Linux, it is taken for gone.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_secs(10);

/// TCP, with `TCP_NODELAY` on both sides: without it every HTTP/2 call waits for the delayed
/// acknowledgement of the other side, about 40 ms. Keep-alive is on as well: HTTP/1.1 has no other
/// way to find out that a client vanished in the middle of a call.
///
/// Addresses are `host:port`; `:8080` and `0.0.0.0:8080` are every interface, port 0 lets the
/// system choose.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tcp;

#[async_trait]
impl Transport for Tcp {
    fn name(&self) -> &'static str {
        "tcp"
    }

    async fn listen(&self, address: &str) -> Result<Box<dyn Listener>> {
        let full = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
        match TcpListener::bind(&full).await {
            Ok(listener) => Ok(Box::new(listener)),
            Err(error) => Err(cannot_listen(address, error)),
        }
    }

    async fn connect(&self, address: &str) -> Result<BoxIo> {
        check(address)?;
        let stream = TcpStream::connect(address).await;
        match stream.and_then(|stream| prepare(&stream).map(|()| stream)) {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => {
                let message = format!("cannot connect to {address}: {error}");
                Err(Error::unavailable(message).with_source(error).never_processed())
            }
        }
    }

    /// An unspecified address (`0.0.0.0`) becomes the first private address of this machine, else
    /// its first other one, else the loopback address, as in go-micro.
    fn advertised(&self, local: &str) -> Result<String> {
        let Ok(address) = local.parse::<SocketAddr>() else { return Ok(local.to_owned()) };
        if !address.ip().is_unspecified() {
            return Ok(local.to_owned());
        }
        let interfaces = if_addrs::get_if_addrs().unwrap_or_default();
        let of_kind = |wanted: fn(&IpAddr) -> bool| {
            interfaces
                .iter()
                .filter(|interface| !interface.is_loopback())
                .map(|interface| interface.ip())
                .find(|ip| ip.is_ipv4() == address.is_ipv4() && wanted(ip))
        };
        let ip = of_kind(is_private).or_else(|| of_kind(|_| true)).unwrap_or(if address.is_ipv4() {
            IpAddr::from([127, 0, 0, 1])
        } else {
            IpAddr::from(std::net::Ipv6Addr::LOCALHOST)
        });
        Ok(SocketAddr::new(ip, address.port()).to_string())
    }
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(KEEP_ALIVE).with_interval(KEEP_ALIVE_INTERVAL);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// Whether somebody may listen there, as far as the letters of it tell.
fn check(address: &str) -> Result<()> {
    let port =
        address.rsplit_once(':').filter(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    match port {
        Some((host, _)) if !host.contains(['/', ' ']) => Ok(()),
        _ => Err(Error::invalid_argument(format!(
            "cannot connect to `{address}`: an address is `host:port`, `127.0.0.1:8080` for example, without `http://`"
        ))
        .never_processed()),
    }
}

fn is_private(ip: &IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private(),
        IpAddr::V6(ip) => ip.is_unique_local(),
    }
}

#[cold]
fn cannot_listen(address: &str, error: io::Error) -> Error {
    let hint = match error.kind() {
        io::ErrorKind::AddrInUse => {
            ": another program has it; choose another one, or port 0 for any free one"
        }
        io::ErrorKind::PermissionDenied => ": ports under 1024 need a privilege",
        io::ErrorKind::InvalidInput => ": an address is `host:port`, `127.0.0.1:8080` for example",
        io::ErrorKind::AddrNotAvailable => ": this machine does not have it",
        _ => "",
    };
    Error::unavailable(format!("cannot listen on `{address}` ({error}){hint}")).with_source(error)
}

#[async_trait]
impl Listener for TcpListener {
    fn address(&self) -> String {
        self.local_addr().map(|address| address.to_string()).unwrap_or_default()
    }

    async fn accept(&mut self) -> io::Result<(BoxIo, String)> {
        let (stream, peer) = Self::accept(self).await?;
        // A connection that is broken already says so when it is read; it is no fault of the
        // listener's.
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%peer, %error, "cannot set the options of a connection");
        }
        Ok((Box::new(stream), peer.to_string()))
    }

    fn is_movable(&self) -> bool {
        true
    }

    async fn accept_movable(&mut self) -> io::Result<(Movable, String)> {
        let (stream, peer) = Self::accept(self).await?;
        if let Err(error) = prepare(&stream) {
            tracing::debug!(%peer, %error, "cannot set the options of a connection");
        }
        let stream = stream.into_std()?;
        Ok((Box::new(|| Ok(Box::new(TcpStream::from_std(stream)?))), peer.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_address_that_is_tried_has_a_host_and_a_port(address in "([a-z0-9.:/ -]{0,8}:)?[0-9]{0,6}|.{0,12}") {
            match check(&address) {
                Ok(()) => {
                    let (host, port) = address.rsplit_once(':').unwrap();
                    prop_assert!(!host.is_empty() && port.parse::<u16>().is_ok());
                }
                Err(error) => prop_assert!(error.was_never_processed()),
            }
        }
    }

    #[tokio::test]
    async fn a_port_in_use_is_said_in_words() {
        let first = Tcp.listen("127.0.0.1:0").await.unwrap();
        let refused = Tcp.listen(&first.address()).await.err().unwrap();
        assert!(refused.message().contains("another program has it"), "{refused}");
        let refused = Tcp.listen("8080").await.err().unwrap();
        assert!(refused.message().contains("an address is `host:port`"), "{refused}");
    }

    #[tokio::test]
    async fn a_connection_sends_at_once_and_asks_whether_the_other_side_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        prepare(&client).unwrap();
        assert!(client.nodelay().unwrap());
        assert!(SockRef::from(&client).keepalive().unwrap());
    }

    #[tokio::test]
    async fn what_is_no_address_is_said_so_when_connecting() {
        for address in ["http://127.0.0.1:80", "8080", "", ":8080", "127.0.0.1", "my host:80"] {
            let refused = Tcp.connect(address).await.err().unwrap();
            assert!(refused.message().contains("an address is `host:port`"), "{refused}");
        }
    }

    #[tokio::test]
    async fn an_unspecified_address_is_not_advertised() {
        let listener = Tcp.listen(":0").await.unwrap();
        let advertised: SocketAddr = Tcp.advertised(&listener.address()).unwrap().parse().unwrap();
        assert!(!advertised.ip().is_unspecified());
        assert_eq!(Tcp.advertised("127.0.0.1:80").unwrap(), "127.0.0.1:80");
    }

    #[tokio::test]
    async fn a_refused_connection_was_surely_not_processed() {
        let address = Tcp.listen("127.0.0.1:0").await.unwrap().address();
        let refused = Tcp.connect(&address).await.err().unwrap();
        assert!(refused.was_never_processed());
    }
}

//! What a stack has to have, to be measured.

use std::any::Any;
use std::future::Future;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::{Result, Turns};

/// A stack: a server, and a client for it.
pub trait Stack: 'static {
    /// What it is called in the results where there is one variant only.
    const NAME: &'static str;

    /// How calls share connections.
    const SHARING: Sharing = Sharing::Multiplexed;

    /// The client's half.
    type Connection: Connection;

    /// Serves until the process ends, once it has said where it listens.
    ///
    /// `variant` is what the program was given, for stacks that speak several protocols; empty where it was
    /// given none.
    fn serve(variant: &str, ready: Ready) -> impl Future<Output = Result<()>>;

    /// How calls share connections in this variant.
    fn sharing(_variant: &str) -> Sharing {
        Self::SHARING
    }

    /// A client with one connection, or one with a pool where calls do not share connections.
    fn connect(variant: &str, address: SocketAddr) -> impl Future<Output = Result<Self::Connection>>;
}

/// How calls share connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// Many calls at once on each connection: there are as many clients as the workload has connections,
    /// and calls are spread over them.
    Multiplexed,
    /// One call at a time on each connection: there is a client for every call in flight.
    OneEach,
    /// The same, and the stack has a pool that sees to it: there is one client.
    Pooled,
}

/// A client that is connected.
pub trait Connection: Send + Sync + 'static {
    /// Sends a note and returns how long the payload of the answer is.
    fn echo(&self, name: &str, payload: &[u8]) -> impl Future<Output = Result<usize>> + Send;

    /// Asks for a stream of `count` notes with `size` bytes each, and tells `each` how long the payload of
    /// every one is.
    fn count(
        &self,
        _count: u32,
        _size: u32,
        _each: &mut (impl FnMut(usize) + Send),
    ) -> impl Future<Output = Result<()>> + Send {
        async { Err("this stack has no streams".into()) }
    }

    /// Sends a note for every one of the turns, in a stream both ways, and tells the turns of every note
    /// that comes back.
    fn chat(&self, _name: &str, _payload: &[u8], _turns: Turns) -> impl Future<Output = Result<()>> + Send {
        async { Err("this stack has no streams".into()) }
    }

    /// Opens a stream both ways, sends a note on it, waits for it to come back, and leaves the stream open
    /// for as long as what it returns is kept.
    fn keep_open(&self, _name: &str, _payload: &[u8]) -> impl Future<Output = Result<Kept>> + Send {
        async { Err("this stack has no streams".into()) }
    }
}

/// What keeps a stream open.
pub type Kept = Box<dyn Any + Send>;

/// Is to be told where a server listens.
#[derive(Debug)]
pub struct Ready(());

impl Ready {
    pub(crate) fn new() -> Self {
        Self(())
    }

    /// Calls are taken at this address from now on.
    pub fn at(self, address: SocketAddr) -> Result<()> {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{address}")?;
        Ok(out.flush()?)
    }
}

/// A listener on a port of loopback that the system chooses.
pub async fn listen() -> Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

//! The server half: the calls of one connection.

mod answer;
mod begin;
mod role;
mod route;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{BufMut as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::AbortHandle;

use super::bounds::Bounds;
use super::driver::Driver;
use super::frame::{self, FrameHead, HEAD, Kind};
use super::link::Link;
use super::settings::{PREFACE, Settings, choose, put_hello, read_hello};
use super::violation::{Reason, Violation};
use crate::context::Origin;
use crate::protocol::Site;
pub(super) use begin::Begin;
use role::Server;

/// A connection, which is a future that ends with it.
pub(crate) type Serving<T, H> = Driver<T, Server<H>>;

/// The largest `Hello` that is read, in bytes.
const LARGEST_HELLO: usize = 4096;

/// A call that runs.
pub(crate) type Running = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where the calls of a connection run that do not end at once.
pub(crate) trait Host: Send + Unpin {
    /// Notes that there was a call.
    fn called(&self);

    /// Runs a call in a task of its own.
    fn spawn(&self, call: Running) -> AbortHandle;
}

/// Opens a connection from its preface on, and returns its task.
pub(crate) async fn accept<T, H>(
    mut io: T,
    site: Arc<Site>,
    settings: Settings,
    bounds: Bounds,
    peer: Arc<Origin>,
    host: H,
) -> io::Result<Serving<T, H>>
where
    T: AsyncRead + AsyncWrite + Unpin,
    H: Host,
{
    let mut buffer = BytesMut::new();
    let payload = loop {
        if let Some(head) = buffer.get(PREFACE.len()..).and_then(FrameHead::read) {
            let whole = PREFACE.len() + HEAD + head.length;
            if head.kind() != Some(Kind::Hello) || head.length > LARGEST_HELLO {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "no `Hello` behind the preface"));
            }
            if buffer.len() >= whole {
                break buffer.split_to(whole).split_off(PREFACE.len() + HEAD);
            }
        }
        if io.read_buf(&mut buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let agreed = read_hello(&payload).and_then(|(offered, theirs)| Ok((choose(&offered)?, theirs)));
    let mut out = BytesMut::new();
    let theirs = match agreed {
        Ok((version, theirs)) => {
            put_hello(&mut out, &[version], &settings);
            theirs
        }
        Err(violation) => {
            refuse(&mut io, &violation).await?;
            return Err(io::Error::new(io::ErrorKind::InvalidData, violation.to_string()));
        }
    };
    io.write_all(&out).await?;
    io.flush().await?;
    let link = Arc::new(Link::new(settings, theirs, bounds, peer.address.clone()));
    Ok(Driver::new(io, link, Server::new(site, peer, host), buffer))
}

/// Turns a client away that this port does not speak the protocol with.
pub(crate) async fn turn_away(mut io: impl AsyncWrite + Unpin, why: &'static str) -> io::Result<()> {
    refuse(&mut io, &Violation::new(Reason::NotHere, why)).await
}

/// Says why there is no connection.
async fn refuse(io: &mut (impl AsyncWrite + Unpin), violation: &Violation) -> io::Result<()> {
    let mut out = BytesMut::from(&PREFACE[..]);
    frame::put(&mut out, Kind::GoAway, 0, 0, |out| {
        out.put_u32(0);
        out.put_u8(violation.reason as u8);
        out.put_slice(violation.text.as_bytes());
    });
    io.write_all(&out).await?;
    io.shutdown().await
}

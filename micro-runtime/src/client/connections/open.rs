//! How a connection comes about: the transport, the TLS handshake, and what is spoken then.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use super::home::Home;
use super::http1::{self, Line};
use super::http2::{self, Shared};
use super::peer::Peer;
use super::tally::Tally;
use crate::error::{Error, Result};
use crate::tls::{self, Connector};
use crate::transport::Transport;

/// What a client needs to connect.
pub(in crate::client) struct Opener {
    pub(in crate::client) transport: Arc<dyn Transport>,
    pub(in crate::client) tls: Option<Connector>,
    /// For all of it together.
    pub(in crate::client) connect_timeout: Duration,
    /// How many HTTP/2 connections there may be to one address.
    pub(in crate::client) max_connections: usize,
    pub(in crate::client) tally: Arc<Tally>,
}

/// The HTTP versions that will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Http1,
    Http2,
    Either,
}

pub(super) enum Opened {
    Http1(Line),
    Http2(Shared),
}

/// How connecting ended, for all who waited.
pub(super) type Outcome = Result<Opened, Arc<Error>>;

impl Opener {
    pub(super) async fn open(&self, address: &str, offer: Offer) -> Outcome {
        let opened = timeout(self.connect_timeout, self.dial(address, offer)).await;
        let opened = opened.unwrap_or_else(|_| Err(too_slow(self, address)));
        opened.map_err(|error| {
            self.tally.fail();
            Arc::new(error)
        })
    }

    async fn dial(&self, address: &str, offer: Offer) -> Result<Opened> {
        let io = self.transport.connect(address).await?;
        let peer = Peer::plain(address)?;
        let Some(tls) = &self.tls else {
            return match offer {
                Offer::Http1 => Ok(Opened::Http1(http1::open(io, Arc::new(peer), &self.tally).await?)),
                Offer::Http2 | Offer::Either => {
                    Ok(Opened::Http2(http2::open(io, Arc::new(peer), &self.tally).await?))
                }
            };
        };
        let secured = tls.connect(io, address, offer.protocols()).await?;
        let peer = Arc::new(peer.secured(secured.refusal));
        let http2 = match secured.agreed.as_deref() {
            Some(agreed) => agreed == tls::HTTP2,
            // A server that chooses nothing speaks HTTP/1.1, unless the client knows better.
            None => offer == Offer::Http2,
        };
        if http2 {
            Ok(Opened::Http2(http2::open(secured.io, peer, &self.tally).await?))
        } else {
            Ok(Opened::Http1(http1::open(secured.io, peer, &self.tally).await?))
        }
    }
}

impl Offer {
    fn protocols(self) -> &'static [&'static [u8]] {
        match self {
            Self::Http1 => &[tls::HTTP1],
            Self::Http2 => &[tls::HTTP2],
            Self::Either => &[tls::HTTP2, tls::HTTP1],
        }
    }
}

/// Connects for one call. When the call is given up, one such attempt for each address goes on and
/// keeps what it gets: calls that have less time than connecting takes would never get anywhere,
/// and calls to an address where nothing answers must not pile attempts up.
pub(super) async fn patiently(
    home: &Arc<Home>,
    address: &str,
    offer: Offer,
    lonely: Arc<Semaphore>,
) -> Outcome {
    let (mut waiting, opened) = oneshot::channel();
    let (opener, home, address) = (home.opener().clone(), Arc::downgrade(home), address.to_owned());
    tokio::spawn(async move {
        let outcome = {
            let mut opening = pin!(opener.open(&address, offer));
            tokio::select! {
                biased;
                outcome = &mut opening => outcome,
                () = waiting.closed() => {
                    let Ok(_permit) = lonely.try_acquire() else { return };
                    opening.await
                }
            }
        };
        if let Err(Ok(opened)) = waiting.send(outcome)
            && let Some(home) = home.upgrade()
        {
            home.keep(&address, opened);
        }
    });
    opened.await.unwrap_or_else(|_| Err(broken_off()))
}

/// The error of an attempt that took too long.
#[cold]
pub(super) fn too_slow(opener: &Opener, address: &str) -> Error {
    let limit = humantime::format_duration(opener.connect_timeout);
    Error::unavailable(format!("cannot connect to {address} within {limit}"))
}

/// The error of a task that did not end well: it was in a runtime that ends, or in a transport that
/// panics.
#[cold]
pub(super) fn broken_off() -> Arc<Error> {
    Arc::new(Error::unavailable("connecting was broken off"))
}

/// The error of one call that waited for an attempt.
#[cold]
pub(super) fn failed(error: Arc<Error>) -> Error {
    Error::new(error.code(), error.message()).with_source(error).never_processed()
}

#[cold]
pub(super) fn only_http1(address: &str) -> Error {
    Error::unavailable(format!("the node at {address} speaks HTTP/1.1 only, and the call needs HTTP/2"))
        .never_processed()
}

//! The connections of a client.
//!
//! To each address there is one connection of the native wire or of HTTP/2, which all calls share, or a few
//! where it is busy; or there are as many of HTTP/1.1 as calls are in flight, since each has one for itself.
//! Which version of HTTP is spoken is up to the option, or else to what the server chooses in the TLS
//! handshake; without TLS it is HTTP/2.

mod answer;
mod home;
mod host;
mod http1;
mod http2;
mod idle;
mod native;
mod open;
mod peer;
mod tally;
mod version;

use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::Either;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Version};
use tokio::runtime::{Handle, RuntimeFlavor};

pub(super) use open::Opener;
pub(super) use tally::Tally;
pub use version::HttpVersion;

use crate::error::Result;
use crate::metrics::Metrics;
use crate::protocol::Protocol;
use crate::protocol::body::WireBody;
use crate::protocol::native::client::Connection as NativeConnection;
use crate::protocol::native::{Bounds, Settings};
use crate::registry::{Departures, Discovery};
use answer::AnswerBody;
use home::Home;
use http1::Lease;
use http2::{Place, Shared};
use open::Offer;
use peer::Peer;
use tally::Wire;

/// How often a silent server is asked whether it is still there while calls wait for it.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(30);

/// With this load a connection is busy, and another one is of use: one task reads and writes it, on one core at a
/// time.
const BUSY: usize = 16;

/// What a stream counts as load, where a call with one message each way counts one.
const STREAM: usize = 8;

/// The connections of a client, made when they are first needed and again after they broke.
pub(super) struct Connections {
    home: Arc<Home>,
    native: Arc<native::Home>,
    /// What the client was told to speak.
    version: Option<HttpVersion>,
    /// Hears of nodes that leave, for as long as the client is there.
    ears: Arc<dyn Departures>,
}

/// A connection belongs to the node it leads to, and goes with it.
struct Ears {
    home: Weak<Home>,
    native: Weak<native::Home>,
}

impl Departures for Ears {
    fn left(&self, addresses: &[String]) {
        for address in addresses {
            self.home.upgrade().into_iter().for_each(|home| home.left(address));
            self.native.upgrade().into_iter().for_each(|home| home.left(address));
        }
    }
}

/// A way to make one call.
pub(super) enum Way {
    /// On the native wire; the connection may have been there before the call.
    Native { connection: NativeConnection, reused: bool },
    /// In a protocol over HTTP.
    Http(Protocol, Connection),
}

impl Way {
    /// Whether other calls had the connection before, so that its end may be on the way.
    pub(super) fn is_reused(&self) -> bool {
        match self {
            Self::Native { reused, .. } => *reused,
            Self::Http(_, connection) => connection.is_reused(),
        }
    }
}

/// A connection to be used for one call.
pub(super) enum Connection {
    Http1(Lease),
    Http2(Shared, Place),
}

impl Connections {
    pub(super) fn new(
        opener: Opener,
        version: Option<HttpVersion>,
        settings: Settings,
        bounds: Bounds,
    ) -> Self {
        let home = Arc::new(Home::new(opener));
        let native = Arc::new(native::Home::new(home.opener().clone(), settings, bounds));
        let ears = Ears { home: Arc::downgrade(&home), native: Arc::downgrade(&native) };
        Self { home, native, version, ears: Arc::new(ears) }
    }

    /// Closes connections to nodes that leave the registry, once their calls have ended.
    pub(super) fn follow(&self, discovery: &Discovery) {
        discovery.tell(&self.ears);
    }

    /// Shows how many there are.
    pub(super) fn observe(&self, metrics: &Metrics) {
        metrics.observe(&self.home, |home, samples| {
            home.opener().tally.show(samples);
            let [http2, http1] = home.idle_connections();
            Tally::show_idle(samples, Wire::Http2, http2);
            Tally::show_idle(samples, Wire::Http1, http1);
        });
        metrics.observe(&self.native, |home, samples| {
            Tally::show_idle(samples, Wire::Native, home.idle_connections());
        });
    }

    /// A way to call the node at this address in this protocol, where one is there already that needs no
    /// waiting.
    pub(super) fn ready(&self, address: &str, protocol: Protocol) -> Option<Way> {
        let connection =
            if protocol == Protocol::Native { self.native.ready(address)? } else { return None };
        Some(Way::Native { connection, reused: true })
    }

    /// Whether there is a connection to this address, be it full or not: somebody is there.
    pub(super) fn is_open(&self, address: &str) -> bool {
        self.native.is_open(address) || self.home.is_open(address)
    }

    /// A way to call the node at this address in this protocol. Where the native wire was only the
    /// best of those that its record lists, and is not spoken after all, it is Connect.
    pub(super) async fn way(&self, address: &str, protocol: Protocol, told: bool) -> Result<Way> {
        if protocol != Protocol::Native {
            return Ok(Way::Http(protocol, self.get(address, version(protocol)).await?));
        }
        match self.native.get(address).await? {
            native::Found::Open(connection, reused) => Ok(Way::Native { connection, reused }),
            native::Found::NotSpoken(why) if told => Err(open::failed(why)),
            native::Found::NotSpoken(why) => {
                tracing::debug!(address, why = why.message(), "calling with Connect");
                Ok(Way::Http(Protocol::Connect, self.get(address, None).await?))
            }
        }
    }

    /// A connection to this address; of this HTTP version, where the call needs one. An error means
    /// that the node could not be reached.
    pub(super) async fn get(&self, address: &str, wanted: Option<HttpVersion>) -> Result<Connection> {
        let offer = match wanted.or(self.version) {
            Some(HttpVersion::Http1) => Offer::Http1,
            Some(HttpVersion::Http2) => Offer::Http2,
            None => Offer::Either,
        };
        if offer != Offer::Http1
            && let Some((shared, place)) = self.home.shared(address, offer).await?
        {
            return Ok(Connection::Http2(shared, place));
        }
        match offer {
            Offer::Http2 => Err(open::only_http1(address)),
            offer => self.home.alone(address, offer).await,
        }
    }
}

impl Connection {
    /// Counts its call as a stream.
    pub(super) fn for_stream(self) -> Self {
        match self {
            Self::Http1(lease) => Self::Http1(lease),
            Self::Http2(shared, place) => Self::Http2(shared, place.for_stream()),
        }
    }

    /// What a request on it is sent with.
    pub(super) fn version(&self) -> Version {
        match self {
            Self::Http1(_) => Version::HTTP_11,
            Self::Http2(..) => Version::HTTP_2,
        }
    }

    /// Whether other calls had it before, so that its end may be on the way. One of HTTP/1.1 sees to that
    /// itself.
    pub(super) fn is_reused(&self) -> bool {
        match self {
            Self::Http1(_) => false,
            Self::Http2(shared, _) => shared.is_reused(),
        }
    }

    /// `http` or `https`.
    pub(super) fn scheme(&self) -> &Scheme {
        &self.peer().scheme
    }

    /// The address, as it stands in a URI.
    pub(super) fn authority(&self) -> &Authority {
        &self.peer().authority
    }

    fn peer(&self) -> &Peer {
        match self {
            Self::Http1(lease) => lease.peer(),
            Self::Http2(shared, _) => shared.peer(),
        }
    }

    /// Puts a request on its way, at once; the future is the head of the response.
    ///
    /// The URI is absolute, its scheme, authority and version those of the connection. For HTTP/1.1 the form of
    /// the target and the `host` are made what they have to be.
    ///
    /// A request on an HTTP/1.1 connection that waited for one, and turns out to be closed before a
    /// byte of it was sent, goes out on a new connection. Where that is not sure, it is an error.
    pub(super) fn send(
        self,
        request: Request<WireBody>,
    ) -> impl Future<Output = Result<Response<AnswerBody>>> + Send + 'static {
        match self {
            Self::Http1(lease) => Either::Left(lease.send(request)),
            Self::Http2(shared, place) => Either::Right(shared.send(place, request)),
        }
    }
}

/// Whether another connection could be read and written at the same time.
fn has_cores() -> bool {
    Handle::try_current().is_ok_and(|runtime| runtime.runtime_flavor() != RuntimeFlavor::CurrentThread)
}

/// The version of HTTP that the protocol needs, where it needs one.
fn version(protocol: Protocol) -> Option<HttpVersion> {
    match protocol {
        Protocol::Grpc => Some(HttpVersion::Http2),
        Protocol::Mucp => Some(HttpVersion::Http1),
        Protocol::Native | Protocol::Connect | Protocol::GrpcWeb | Protocol::GrpcWebText => None,
    }
}

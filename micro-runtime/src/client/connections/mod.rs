//! The connections of a client.
//!
//! To each address there is one HTTP/2 connection, which all calls share, or there are as many of
//! HTTP/1.1 as calls are in flight, since each has one for itself. What is spoken is up to the
//! option, or else to what the server chooses in the TLS handshake; without TLS it is HTTP/2.

mod answer;
mod home;
mod host;
mod http1;
mod http2;
mod idle;
mod open;
mod peer;
mod version;

use std::sync::Arc;

use futures_util::future::Either;
use http::uri::{Authority, Scheme};
use http::{Request, Response, Version};

pub(super) use open::Opener;
pub use version::HttpVersion;

use crate::error::Result;
use crate::protocol::body::WireBody;
use answer::AnswerBody;
use home::Home;
use http1::Lease;
use http2::{Place, Shared};
use open::Offer;
use peer::Peer;

/// The connections of a client, made when they are first needed and again after they broke.
pub(super) struct Connections {
    home: Arc<Home>,
    /// What the client was told to speak.
    version: Option<HttpVersion>,
}

/// A connection to be used for one call.
pub(super) enum Connection {
    Http1(Lease),
    Http2(Shared, Place),
}

impl Connections {
    pub(super) fn new(opener: Opener, version: Option<HttpVersion>) -> Self {
        Self { home: Arc::new(Home::new(opener)), version }
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

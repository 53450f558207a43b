use std::fmt;
use std::sync::Arc;

/// Where a request comes from: among the extensions of every request that layers or a mounted service
/// get.
///
/// It is the address of the other end of the connection. A layer that knows better, because a proxy
/// that it trusts says so in a header, puts another one in its place; [`Context::peer`] in handlers
/// and interceptors is that one then.
///
/// [`Context::peer`]: crate::Context::peer
///
/// ```
/// # use http::Request;
/// # use micro_runtime::server::Peer;
/// # let mut request = Request::new(());
/// request.extensions_mut().insert(Peer::new("192.0.2.7:4711"));
/// assert_eq!(request.extensions().get::<Peer>().unwrap().as_str(), "192.0.2.7:4711");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer(pub(super) Arc<str>);

impl Peer {
    /// A peer at this address.
    pub fn new(address: impl Into<Arc<str>>) -> Self {
        Self(address.into())
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

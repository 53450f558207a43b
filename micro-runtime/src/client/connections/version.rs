/// A version of HTTP that a client speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HttpVersion {
    /// HTTP/1.1: a connection for each call in flight. What the client sends is over before the
    /// server is sure to answer, so a stream in both directions is first one and then the other.
    Http1,
    /// HTTP/2: one connection for all calls to an address.
    Http2,
}

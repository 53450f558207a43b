use std::sync::OnceLock;

use http::header::HeaderValue;
use http::uri::{Authority, Scheme};

use crate::error::{Error, Result};
use crate::tls::Refusal;
use crate::transport::is_path;

/// What is known of the other side of a connection.
pub(super) struct Peer {
    pub(super) address: String,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    /// The same, for HTTP/1.1.
    pub(super) host: HeaderValue,
    refusal: Option<Refusal>,
    /// Why the connection ended, where there is more to be said than that it did.
    ended: OnceLock<String>,
}

impl Peer {
    /// The other side of a connection without TLS.
    pub(super) fn plain(address: &str) -> Result<Self> {
        let no_address = |error: http::Error| {
            Error::invalid_argument(format!("`{address}` is not an address")).with_source(error)
        };
        // A path is no host; who listens there is on this machine.
        let host = if is_path(address) { "localhost" } else { address };
        let authority = Authority::try_from(host).map_err(|error| no_address(error.into()))?;
        let host = HeaderValue::try_from(host).map_err(|error| no_address(error.into()))?;
        Ok(Self {
            address: address.to_owned(),
            scheme: Scheme::HTTP,
            authority,
            host,
            refusal: None,
            ended: OnceLock::new(),
        })
    }

    pub(super) fn secured(self, refusal: Refusal) -> Self {
        Self { scheme: Scheme::HTTPS, refusal: Some(refusal), ..self }
    }

    /// Notes why the connection ended.
    pub(super) fn end(&self, reason: String) {
        let _ = self.ended.set(reason);
    }

    /// Why the connection ended, if that is known here and not with the calls that it ended.
    pub(super) fn ended(&self) -> Option<&str> {
        self.ended.get().map(String::as_str)
    }

    /// The error of a request that the peer did not take because it did not take this client, if
    /// that is what it said.
    pub(super) fn refused(&self) -> Option<Error> {
        let reason = self.refusal.as_ref()?.reason()?;
        let message = format!("cannot connect to {} with TLS: {reason}", self.address);
        Some(Error::unavailable(message).never_processed())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    #[test]
    fn a_path_is_called_by_the_name_of_this_machine() {
        let peer = Peer::plain("unix:/run/a b.sock").unwrap();
        assert_eq!((peer.authority.as_str(), peer.address.as_str()), ("localhost", "unix:/run/a b.sock"));
    }

    proptest! {
        #[test]
        fn any_address_of_a_registry_is_one_or_an_error(address in "[a-z0-9.:@/ \\[\\]-]{0,12}|.{0,12}") {
            match Peer::plain(&address) {
                Ok(peer) => {
                    prop_assert_eq!(peer.authority.as_str(), &address[..]);
                    prop_assert_eq!(peer.host.as_bytes(), address.as_bytes());
                }
                Err(error) => prop_assert_eq!(error.code(), Code::InvalidArgument),
            }
        }
    }
}

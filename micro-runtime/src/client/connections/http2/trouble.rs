//! What the errors of a connection mean for its calls.

use super::Peer;
use crate::error::Error;
use crate::protocol::read_limits::broken_off;

#[cold]
pub(super) fn explain(error: h2::Error, unsent: bool, peer: &Peer) -> Error {
    if let Some(refused) = peer.refused() {
        return refused.with_source(error);
    }
    let never_processed = unsent || was_refused(&error);
    let reason = reason(&error, &peer.address).or_else(|| peer.ended().map(str::to_owned));
    let error = match reason {
        Some(reason) => Error::unavailable(reason).with_source(error),
        None => broken_off(error),
    };
    if never_processed { error.never_processed() } else { error }
}

/// Why a connection ended, where the protocol's own words say little.
pub(super) fn reason(error: &h2::Error, address: &str) -> Option<String> {
    if !error.is_go_away() {
        return None;
    }
    match (error.reason()?, error.is_remote()) {
        (h2::Reason::INADEQUATE_SECURITY, true) => Some(format!(
            "the node at {address} takes only connections with TLS: set the option `tls` of the client"
        )),
        // What the first bytes of an HTTP/1.1 answer are when they are read as a frame.
        (h2::Reason::FRAME_SIZE_ERROR, false) => Some(format!(
            "what {address} answers is not HTTP/2: does it speak HTTP/1.1 alone (the option `http_version` of the \
             client), or TLS (the option `tls`)?"
        )),
        _ => None,
    }
}

/// Whether the server said that it did not touch the request: it reset the stream as refused, or it
/// is going away and did not get to it (RFC 9113, sections 6.8 and 8.7). A server that wants TLS
/// says so before anything else.
fn was_refused(error: &h2::Error) -> bool {
    let refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
    let leaving = error.is_go_away()
        && matches!(error.reason(), Some(h2::Reason::NO_ERROR | h2::Reason::INADEQUATE_SECURITY));
    error.is_remote() && (refused || leaving)
}

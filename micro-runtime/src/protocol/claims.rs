//! Which requests are calls, where something else is served on the same port.

use http::header::{CONTENT_TYPE, HeaderMap};
use http::{Method, Request};

use super::grpc::Dialect;
use super::media_type::{essence, without_prefix};
use super::{Site, go_micro, mucp};

/// Whether a request is a call, so that a protocol answers it, if only with an error.
///
/// It is where its path is that of a method, whatever the rest of it looks like. It is as well where a
/// client calls an unknown method of a service that is here: it is to hear `unimplemented`, as it
/// would without a mounted service, and where go-micro's own headers are. Everything else is free.
pub(crate) fn claims<B>(site: &Site, request: &Request<B>) -> bool {
    let path = request.uri().path();
    if site.routes.serves(path) || mucp::server::is_message(request) {
        return true;
    }
    if request.method() != Method::POST || !is_rpc(site, request.headers()) {
        return false;
    }
    // go-micro puts the name of the registered service in front of the contract's.
    let is_go_micro = go_micro::calls(request.headers());
    Dialect::of(request.headers()) == Some(Dialect::Grpc)
        && site.routes.find_by_last_part(path, is_go_micro).is_ok()
        || path.strip_prefix('/').and_then(|path| path.rsplit_once('/')).is_some_and(|(service, _)| {
            // A call names the service as a whole, and a method of it.
            site.routes.has_service(service)
        })
}

/// Whether the content type is one that calls have.
fn is_rpc(site: &Site, headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return false };
    let Some(subtype) = without_prefix(essence(given), "application/") else { return false };
    without_prefix(subtype, "grpc").is_some()
        || without_prefix(subtype, "connect+").is_some()
        || site.codecs.iter().any(|codec| codec.name().eq_ignore_ascii_case(subtype))
}

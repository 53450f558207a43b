use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::uri::PathAndQuery;

use crate::protocol::Outgoing;

/// The longest path and query that are sent: what the usual proxies take. A longer call is a POST.
const LONGEST: usize = 8 * 1024;

/// The path of a call that is made with GET; `None` where it would be too long.
pub(super) fn path_and_query(outgoing: &Outgoing, message: &[u8]) -> Option<PathAndQuery> {
    let (path, encoding) = (outgoing.method.path, outgoing.codec.name());
    // In the order that the specification recommends, so that caches see one call in one way.
    let mut full = format!("{path}?connect=v1&base64=1");
    if let Some(compression) = outgoing.compression {
        full.push_str("&compression=");
        full.push_str(compression.name());
    }
    full.push_str("&encoding=");
    full.push_str(encoding);
    full.push_str("&message=");
    if full.len() + message.len().div_ceil(3).saturating_mul(4) > LONGEST {
        return None;
    }
    URL_SAFE_NO_PAD.encode_string(message, &mut full);
    PathAndQuery::try_from(full).ok()
}

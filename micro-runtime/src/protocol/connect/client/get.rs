use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::uri::PathAndQuery;

use crate::protocol::Outgoing;

/// The longest path and query that are sent: what the usual proxies take. A longer call is a POST.
const LONGEST: usize = 8 * 1024;

/// The path of a call that is made with GET; `None` where it would be too long.
pub(super) fn path_and_query(outgoing: &Outgoing, message: &[u8]) -> Option<PathAndQuery> {
    let (path, encoding) = (outgoing.method.path, outgoing.codec.name());
    let mut full = format!("{path}?base64=1&connect=v1&encoding={encoding}");
    if let Some(compression) = outgoing.compression {
        full.push_str("&compression=");
        full.push_str(compression.name());
    }
    full.push_str("&message=");
    if full.len() + message.len().div_ceil(3).saturating_mul(4) > LONGEST {
        return None;
    }
    URL_SAFE_NO_PAD.encode_string(message, &mut full);
    PathAndQuery::try_from(full).ok()
}

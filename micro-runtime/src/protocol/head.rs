//! How large the head of an answer may be.

use http::HeaderMap;

use crate::error::{Error, Result};

/// What clients take unless they were told otherwise, ours among them, as HTTP/2 counts it (RFC
/// 9113, section 6.5.2). One that gets more can only break the call off, and not say why.
const MAX_SIZE: usize = 16 * 1024;

/// What else is in a head: the status, the date, and what a proxy adds on the way.
const RESERVED: usize = 1024;

/// Checks that clients take these headers.
pub(crate) fn check(headers: &HeaderMap) -> Result<()> {
    let limit = MAX_SIZE - RESERVED;
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 32).sum();
    if size <= limit {
        return Ok(());
    }
    let largest = headers.iter().max_by_key(|(_, value)| value.len());
    let largest = largest.map_or("", |(name, _)| name.as_str());
    Err(Error::internal(format!(
        "the handler set {size} bytes of metadata on the answer, and clients take {limit}; the largest \
         value is `{largest}`: send it in a message"
    )))
}

//! What the headers of a request say of its call.

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};

use super::caller::Caller;
use crate::codec::{Codec, Compression};
use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};
use crate::protocol::grpc::{Dialect, ENCODING, timeout};
use crate::protocol::{Site, compressing, go_micro};

/// A call, its body not read yet.
pub(super) struct Call {
    pub(super) codec: Codec,
    /// The content type of the answer, which is that of the request.
    pub(super) content_type: HeaderValue,
    pub(super) compression: Option<Compression>,
    pub(super) timeout: Option<Duration>,
}

impl Call {
    pub(super) fn read(
        site: &Site,
        method: &MethodDescriptor,
        caller: &Caller,
        headers: &HeaderMap,
    ) -> Result<Self> {
        let (dialect, given) = (caller.dialect, content_type(headers));
        let codec = dialect.codec(&site.codecs, given).filter(|codec| method.request.reads(codec));
        let codec = codec.ok_or_else(|| unsupported(site, method, dialect, given))?.clone();
        let named = dialect.subtype(given).is_some_and(|name| !name.is_empty());
        let content_type = named.then(|| dialect.header(&codec)).flatten();
        let content_type = content_type.unwrap_or(HeaderValue::from_static(dialect.media_type()));
        let timeout = match timeout::read(headers)? {
            None if caller.is_go_micro() => go_micro::timeout(headers),
            timeout => timeout,
        };
        Ok(Self { codec, content_type, compression: compressing::named(headers, &ENCODING)?, timeout })
    }
}

/// The content type of a request, as it was given.
pub(super) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

#[cold]
fn unsupported(site: &Site, method: &MethodDescriptor, dialect: Dialect, given: &str) -> Error {
    let known = site.codecs.iter().filter(|codec| method.request.reads(codec));
    let known: Vec<_> = known.map(|codec| dialect.content_type(codec)).collect();
    let (path, known) = (method.path, known.join(", "));
    Error::unimplemented(format!("`{path}` does not take content type `{given}`; send one of: {known}"))
        .never_processed()
}

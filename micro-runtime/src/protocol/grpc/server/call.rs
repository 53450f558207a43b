//! What the headers of a request say of its call.

use std::time::Duration;

use http::header::{HeaderMap, HeaderValue};

use super::caller::Caller;
use crate::codec::{Codec, Compression};
use crate::endpoint::MethodDescriptor;
use crate::error::{Error, Result};
use crate::protocol::grpc::{ENCODING, timeout};
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
        let codec = caller.dialect.codec(&site.codecs, &caller.content_type);
        let codec = codec.filter(|codec| method.request.reads(codec));
        let codec = codec.ok_or_else(|| unsupported(site, method, caller))?.clone();
        let content_type = if caller.dialect.subtype(&caller.content_type) == Some("") {
            HeaderValue::from_static(caller.dialect.media_type())
        } else {
            let header = caller.dialect.header(&codec);
            header.unwrap_or(HeaderValue::from_static(caller.dialect.media_type()))
        };
        let timeout = match timeout::read(headers)? {
            None if caller.is_go_micro() => go_micro::timeout(headers),
            timeout => timeout,
        };
        Ok(Self { codec, content_type, compression: compressing::named(headers, &ENCODING)?, timeout })
    }
}

#[cold]
fn unsupported(site: &Site, method: &MethodDescriptor, caller: &Caller) -> Error {
    let known = site.codecs.iter().filter(|codec| method.request.reads(codec));
    let known: Vec<_> = known.map(|codec| caller.dialect.content_type(codec)).collect();
    let (path, given, known) = (method.path, &caller.content_type, known.join(", "));
    Error::unimplemented(format!("`{path}` does not take content type `{given}`; send one of: {known}"))
        .never_processed()
}

//! Compression of the messages of a call: which one a request is in, and how what is sent is
//! compressed.

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Site;
use crate::codec::Compression;
use crate::error::{Error, Result};

/// Answers that are smaller than this are not worth the work where the client only mirrors its own
/// compression, in bytes.
pub(crate) const WORTH_IT: usize = 1024;

/// How messages are compressed as they are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compress {
    pub(crate) compression: Compression,
    /// The least size to be compressed, in bytes.
    pub(crate) from: usize,
}

impl Compress {
    /// Compresses what stands in the buffer from `start` on, unless it is too small to be worth it.
    /// Returns whether it did.
    pub(crate) fn tail(self, buffer: &mut BytesMut, start: usize) -> Result<bool> {
        if !self.takes(buffer.len() - start) {
            return Ok(false);
        }
        let message = buffer.split_off(start);
        self.compression.compress(&message, buffer)?;
        Ok(true)
    }

    /// Whether a message of this size is compressed; an empty one never is.
    fn takes(self, size: usize) -> bool {
        size >= self.from.max(1)
    }
}

/// One message as it is sent, and the compression that it is in then: none where it is too small to
/// be worth it.
pub(crate) fn message(compress: Option<Compress>, message: Bytes) -> Result<(Bytes, Option<Compression>)> {
    let Some(compress) = compress.filter(|compress| compress.takes(message.len())) else {
        return Ok((message, None));
    };
    let mut compressed = BytesMut::new();
    compress.compression.compress(&message, &mut compressed)?;
    Ok((compressed.freeze(), Some(compress.compression)))
}

/// The compression that a header names; none where it names none or `identity`. One that this side
/// does not have is an error that names those it has.
pub(crate) fn named(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Compression>> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value = value.to_str().unwrap_or("?").trim();
    if value.is_empty() || value.eq_ignore_ascii_case("identity") {
        return Ok(None);
    }
    Compression::named(value).map(Some).ok_or_else(|| unknown(value, name.as_str()))
}

/// The compression that a header of an answer names. One that this side does not have was not asked
/// for, and is the server's mistake.
pub(crate) fn named_in_answer(headers: &HeaderMap, name: &HeaderName) -> Result<Option<Compression>> {
    named(headers, name).map_err(|error| Error::internal(error.message()))
}

/// The error of a compression that this side does not have.
#[cold]
pub(crate) fn unknown(compression: &str, place: &str) -> Error {
    let known = if LIST.is_empty() { "none" } else { LIST };
    Error::unimplemented(format!(
        "nothing here reads the compression `{compression}` ({place}); known: {known}"
    ))
}

/// How an answer is compressed: as the request was, if its sender reads that, or as the service
/// wants it where the caller reads it too.
pub(crate) fn of_answer(
    site: &Site,
    request: Option<Compression>,
    headers: &HeaderMap,
    accept: HeaderName,
) -> Option<Compress> {
    if request.is_none() && site.compress_from.is_none() {
        return None;
    }
    // Who says nothing about answers reads at least what it writes.
    let mut accepted = headers.get_all(accept).iter().filter_map(|value| value.to_str().ok()).peekable();
    let compression = if accepted.peek().is_none() {
        request
    } else {
        let accepted: Vec<_> = accepted.flat_map(|value| value.split(',')).filter_map(choice).collect();
        request.filter(|mirrored| accepted.contains(mirrored)).or_else(|| accepted.first().copied())
    };
    let from = site.compress_from.unwrap_or(WORTH_IT);
    compression.map(|compression| Compress { compression, from })
}

/// What this side reads, as the value of a header.
pub(crate) fn accepted() -> Option<HeaderValue> {
    (!Compression::ALL.is_empty()).then(|| HeaderValue::from_static(LIST))
}

const LIST: &str = match (cfg!(feature = "gzip"), cfg!(feature = "zstd")) {
    (true, true) => "zstd, gzip",
    (true, false) => "gzip",
    (false, true) => "zstd",
    (false, false) => "",
};

/// A choice of an `Accept-Encoding`, unless it weighs nothing (RFC 9110, section 12.4.2).
fn choice(text: &str) -> Option<Compression> {
    let mut parts = text.split(';').map(str::trim);
    let compression = Compression::named(parts.next()?)?;
    let refused = parts.any(|part| {
        let weight = part.strip_prefix(['q', 'Q']).and_then(|rest| rest.trim_start().strip_prefix('='));
        weight.is_some_and(|weight| weight.trim().parse() == Ok(0.0))
    });
    (!refused).then_some(compression)
}

#[cfg(test)]
#[cfg(feature = "gzip")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_choice_that_weighs_nothing_is_none() {
        assert_eq!(choice("gzip"), Some(Compression::Gzip));
        assert_eq!(choice(" GZIP ; q=0.5"), Some(Compression::Gzip));
        assert_eq!(choice("gzip;q=0"), None);
        assert_eq!(choice("gzip; Q = 0.000"), None);
        assert_eq!(choice("br"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_choice_or_none(text in any::<String>()) {
            let _ = choice(&text);
        }

        #[test]
        fn any_header_names_a_compression_or_none_or_is_refused(
            value in "(gzip|identity|GZIP|zstd)?[ -~]{0,4}",
        ) {
            let name = HeaderName::from_static("content-encoding");
            let headers = HeaderMap::from_iter([(name.clone(), HeaderValue::try_from(&value).unwrap())]);
            let value = value.trim();
            match named(&headers, &name) {
                Ok(None) => prop_assert!(value.is_empty() || value.eq_ignore_ascii_case("identity")),
                Ok(Some(found)) => prop_assert!(value.eq_ignore_ascii_case(found.name())),
                Err(error) => prop_assert_eq!(error.code(), crate::error::Code::Unimplemented),
            }
        }

        #[test]
        fn a_compression_that_is_named_is_chosen_unless_it_weighs_nothing(thousandths in 0..=1000_u32) {
            let text = format!(" gzip ;q=0.{thousandths:03}");
            prop_assert_eq!(choice(&text).is_some(), thousandths > 0);
        }
    }

    #[test]
    fn what_is_read_is_what_is_said() {
        let names: Vec<_> = Compression::ALL.iter().map(|known| known.name()).collect();
        assert_eq!(LIST, names.join(", "));
    }
}

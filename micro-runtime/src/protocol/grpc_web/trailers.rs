//! Trailers in a body: an envelope of header lines as HTTP/1.1 has them.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::TRAILERS;
use crate::error::{Error, Result};

/// The envelope with these trailers.
pub(super) fn write(trailers: &HeaderMap) -> Bytes {
    let size: usize = trailers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    let mut envelope = BytesMut::with_capacity(5 + size);
    envelope.put_u8(TRAILERS);
    // What clients take is checked before, and is far less.
    envelope.put_u32(u32::try_from(size).unwrap_or(u32::MAX));
    for (name, value) in trailers {
        envelope.extend_from_slice(name.as_str().as_bytes());
        envelope.extend_from_slice(b": ");
        envelope.extend_from_slice(value.as_bytes());
        envelope.extend_from_slice(b"\r\n");
    }
    envelope.freeze()
}

/// The trailers in the message of such an envelope. There are senders that end lines with a line
/// feed alone.
pub(crate) fn read(message: &[u8]) -> Result<HeaderMap> {
    let mut trailers = HeaderMap::new();
    for line in message.split(|byte| *byte == b'\n') {
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let entry = line.iter().position(|byte| *byte == b':').and_then(|colon| {
            let name = HeaderName::from_bytes(line[..colon].trim_ascii()).ok()?;
            Some((name, HeaderValue::from_bytes(line[colon + 1..].trim_ascii()).ok()?))
        });
        let (name, value) = entry.ok_or_else(|| malformed(line))?;
        if trailers.try_append(name, value).is_err() {
            return Err(Error::resource_exhausted("there are more trailers than anybody needs"));
        }
    }
    Ok(trailers)
}

#[cold]
fn malformed(line: &[u8]) -> Error {
    let line = String::from_utf8_lossy(&line[..line.len().min(100)]);
    Error::internal(format!("a trailer is not a name and a value with a colon between them: `{line}`"))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_read_in_any_form_that_is_around() {
        let trailers = read(b"Grpc-Status:0\r\n\r\ngrpc-message: a: b \nx: 1\r\nX: 2").unwrap();
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailers["grpc-message"], "a: b");
        assert_eq!(trailers.get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert!(read(b"").unwrap().is_empty());
        for wrong in [&b"grpc-status"[..], b": 0", b"a b: 0", b"a: \x00"] {
            assert!(read(wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_trailers_come_back(entries in vec(("[a-z][a-z0-9-]{0,10}", "([!-~]([ -~]{0,10}[!-~])?)?"), 0..8)) {
            let mut trailers = HeaderMap::new();
            for (name, value) in entries {
                trailers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
            }
            let written = write(&trailers);
            prop_assert_eq!(written[0], TRAILERS);
            prop_assert_eq!(u32::from_be_bytes(written[1..5].try_into().unwrap()) as usize, written.len() - 5);
            prop_assert_eq!(read(&written[5..]).unwrap(), trailers);
        }

        #[test]
        fn any_bytes_are_trailers_or_an_error(bytes in vec(prop_oneof![Just(b'\n'), Just(b':'), any::<u8>()], 0..100)) {
            let _ = read(&bytes);
        }
    }
}

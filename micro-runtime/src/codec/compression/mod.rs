//! Compression of single messages, by the names that HTTP has for it.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "zstd")]
mod zstd;

use std::fmt;
use std::io::{self, Read};

use bytes::{Bytes, BytesMut};

use crate::error::{Error, Result};

/// A compression that this build has. Each is a cargo feature: `gzip`, which is on by default, and
/// `zstd`.
///
/// Both sides read every one of them. What a client sends is compressed when it says so
/// ([`ClientBuilder::compression`](crate::client::ClientBuilder::compression)), and a server answers as it is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Compression {
    /// gzip (RFC 1952), the one that every peer has.
    #[cfg(feature = "gzip")]
    Gzip,
    /// Zstandard (RFC 8878): smaller and several times as fast, for peers that have it.
    #[cfg(feature = "zstd")]
    Zstd,
}

impl Compression {
    /// All of them, the preferred one first.
    pub const ALL: &'static [Self] = &[
        #[cfg(feature = "zstd")]
        Self::Zstd,
        #[cfg(feature = "gzip")]
        Self::Gzip,
    ];

    /// The name in headers: `gzip` or `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => "gzip",
            #[cfg(feature = "zstd")]
            Self::Zstd => "zstd",
        }
    }

    /// The one with this name, in any case of letters.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|known| known.name().eq_ignore_ascii_case(name))
    }

    /// Appends the compressed message to `buffer`.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(unused_variables, unreachable_code, reason = "there is no compression to be")
    )]
    pub(crate) fn compress(self, message: &[u8], buffer: &mut BytesMut) -> Result<()> {
        let written: io::Result<()> = match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => gzip::compress(message, buffer),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::compress(message, buffer),
        };
        written.map_err(|error| {
            Error::internal(format!("cannot compress the message: {error}")).with_source(error)
        })
    }

    /// The message that was compressed, unless it is larger than `limit` bytes. No more than that is
    /// ever held, whatever the compressed bytes claim.
    #[cfg_attr(
        not(any(feature = "gzip", feature = "zstd")),
        expect(unused_variables, unreachable_code, reason = "there is no compression to be")
    )]
    pub(crate) fn decompress(self, message: &[u8], limit: usize) -> Result<Bytes> {
        // Some senders mark an empty message without compressing it.
        if message.is_empty() {
            return Ok(Bytes::new());
        }
        let read: io::Result<Option<Vec<u8>>> = match self {
            #[cfg(feature = "gzip")]
            Self::Gzip => up_to(limit, gzip::reader(message)),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::reader(message).and_then(|reader| up_to(limit, reader)),
        };
        match read {
            Ok(Some(message)) => Ok(message.into()),
            Ok(None) => Err(Error::resource_exhausted(format!(
                "a message is larger than the limit of {limit} bytes once it is decompressed \
                 (the option `max_message_size` of the side that reads it)"
            ))),
            Err(error) => Err(Error::invalid_argument(format!("the message is not valid {self}: {error}"))
                .with_source(error)),
        }
    }
}

/// All that there is to read; `None` where it is more than `limit` bytes.
#[cfg_attr(not(any(feature = "gzip", feature = "zstd")), expect(dead_code))]
fn up_to(limit: usize, reader: impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    reader.take((limit as u64).saturating_add(1)).read_to_end(&mut message)?;
    Ok((message.len() <= limit).then_some(message))
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
#[cfg(all(feature = "gzip", feature = "zstd"))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::error::Code;

    fn compressed(how: Compression, message: &[u8]) -> BytesMut {
        let mut buffer = BytesMut::new();
        how.compress(message, &mut buffer).unwrap();
        buffer
    }

    proptest! {
        #[test]
        fn any_message_comes_out_as_it_went_in(message in vec(any::<u8>(), 0..2000), zeros in 0..5000_usize) {
            let message = [message, vec![0; zeros]].concat();
            for how in Compression::ALL {
                let compressed = compressed(*how, &message);
                prop_assert_eq!(&how.decompress(&compressed, message.len()).unwrap()[..], &message[..]);
            }
        }

        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
            for how in Compression::ALL {
                match how.decompress(&bytes, 1000) {
                    Ok(message) => prop_assert!(message.len() <= 1000),
                    Err(error) => {
                        let codes = [Code::InvalidArgument, Code::ResourceExhausted];
                        prop_assert!(codes.contains(&error.code()), "{error}");
                    }
                }
            }
        }

        #[test]
        fn a_message_that_is_damaged_is_another_one_or_an_error(
            message in vec(any::<u8>(), 0..200),
            flips in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
            limit in 0..300_usize,
        ) {
            for how in Compression::ALL {
                let mut bytes = compressed(*how, &message);
                for (index, byte) in &flips {
                    *index.get_mut(&mut bytes) = *byte;
                }
                if let Ok(message) = how.decompress(&bytes, limit) {
                    prop_assert!(message.len() <= limit);
                }
            }
        }
    }

    #[test]
    fn a_bomb_is_refused_at_the_limit() {
        for how in Compression::ALL {
            let bomb = compressed(*how, &vec![0; 10_000_000]);
            assert!(bomb.len() < 100_000, "{how} makes it {} bytes", bomb.len());
            assert_eq!(how.decompress(&bomb, 1_000_000).unwrap_err().code(), Code::ResourceExhausted);
            assert_eq!(how.decompress(&bomb, 9_999_999).unwrap_err().code(), Code::ResourceExhausted);
            assert!(how.decompress(&bomb, 10_000_000).is_ok());
        }
    }

    #[test]
    fn a_message_that_breaks_off_is_malformed() {
        for how in Compression::ALL {
            let whole = compressed(*how, b"a message of some length, which is not too short");
            let error = how.decompress(&whole[..whole.len() / 2], 1000).unwrap_err();
            assert_eq!(error.code(), Code::InvalidArgument);
            assert!(error.message().contains(how.name()), "{error}");
        }
    }

    #[test]
    fn names_are_those_of_http_in_any_case() {
        assert_eq!(Compression::named("GZIP"), Some(Compression::Gzip));
        assert_eq!(Compression::named("zstd"), Some(Compression::Zstd));
        assert_eq!(Compression::named("identity"), None);
    }
}

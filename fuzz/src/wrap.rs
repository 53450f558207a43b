//! What stands around messages, so that an input need not find it by itself.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

/// The names of compressions, known and not.
pub(crate) const COMPRESSIONS: [Option<&str>; 6] =
    [None, Some("gzip"), Some("zstd"), Some("identity"), Some("br"), Some("")];

/// The flags of the last envelopes of Connect and gRPC-Web.
const LAST: [u8; 2] = [0b10, 0b1000_0000];

/// How the bytes of a body become the body:
///
/// | Bit | If set |
/// |---|---|
/// | 0 | they are in an envelope |
/// | 1 | they are compressed, and the envelope says that they are compressed |
/// | 2 | two such envelopes, one after the other |
/// | 3 | behind that an envelope that ends a stream of Connect |
/// | 4 | behind that an envelope with the trailers of gRPC-Web |
/// | 5 | what is compressed is 256 times as long |
/// | 6 | an envelope says that it is compressed, and is not |
/// | 7 | an envelope has a flag that means nothing |
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wrapping(pub(crate) u8);

impl Wrapping {
    pub(crate) fn wrap(self, bytes: &[u8], compression: Option<&str>) -> Vec<u8> {
        let mut message = bytes.to_vec();
        if self.has(1) {
            if self.has(5) {
                message = message.repeat(256);
            }
            message = compressed(&message, compression);
        }
        if !self.has(0) {
            return message;
        }
        let flags = u8::from(self.has(1) || self.has(6)) | if self.has(7) { 0b100 } else { 0 };
        let mut wrapped = envelope(flags, &message);
        if self.has(2) {
            wrapped.extend(envelope(flags, &message));
        }
        for (bit, flag, end) in [(3, LAST[0], &b"{}"[..]), (4, LAST[1], &b"grpc-status: 0\r\n"[..])] {
            if self.has(bit) {
                wrapped.extend(envelope(flag, end));
            }
        }
        wrapped
    }

    fn has(self, bit: u8) -> bool {
        self.0 >> bit & 1 != 0
    }
}

/// A message behind its flags and length.
pub(crate) fn envelope(flags: u8, message: &[u8]) -> Vec<u8> {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes();
    [&[flags][..], &length, message].concat()
}

fn compressed(message: &[u8], compression: Option<&str>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let written = match compression {
        Some("zstd") => zstd::stream::copy_encode(message, &mut bytes, 1),
        _ => {
            let mut encoder = GzEncoder::new(&mut bytes, Compression::fast());
            encoder.write_all(message).and_then(|()| encoder.finish().map(drop))
        }
    };
    written.expect("memory takes all bytes");
    bytes
}

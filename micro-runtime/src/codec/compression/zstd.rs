use std::io::{self, Read};

use bytes::BytesMut;
use zstd::bulk;
use zstd::stream::read::Decoder;

/// The window of a decoder, as a power of two: 8 MiB, which RFC 8878 (section 3.1.1.1.2) asks every decoder
/// to have. A frame that wants more is refused.
const WINDOW_LOG_MAX: u32 = 23;

pub(super) fn compress(message: &[u8], buffer: &mut BytesMut) -> io::Result<()> {
    // The whole message is known, so that its tables are no larger than it needs.
    let compressed = bulk::compress(message, zstd::DEFAULT_COMPRESSION_LEVEL)?;
    buffer.extend_from_slice(&compressed);
    Ok(())
}

pub(super) fn reader(message: &[u8]) -> io::Result<impl Read> {
    let mut decoder = Decoder::with_buffer(message)?;
    decoder.window_log_max(WINDOW_LOG_MAX)?;
    Ok(decoder)
}

use std::io::{self, Read, Write as _};

use bytes::{BufMut as _, BytesMut};
use flate2::Compression;
use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

pub(super) fn compress(message: &[u8], buffer: &mut BytesMut) -> io::Result<()> {
    // A call waits for this: the level that costs least gets most of what there is to get.
    let mut encoder = GzEncoder::new(buffer.writer(), Compression::fast());
    encoder.write_all(message)?;
    encoder.finish().map(drop)
}

pub(super) fn reader(message: &[u8]) -> impl Read {
    MultiGzDecoder::new(message)
}

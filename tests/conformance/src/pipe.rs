//! Messages through stdin and stdout: four bytes of length, most significant first, and protobuf.

use bytes::{BufMut as _, Bytes, BytesMut};
use micro::codec::Codec;
use micro::{Error, Message, Result};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// The largest message, in bytes. The suite's are far below; a length above it is garbage.
const LARGEST: usize = 64 * 1024 * 1024;

/// Reads the next message; `None` at the end.
pub async fn read<T: Message>(from: &mut (impl AsyncRead + Unpin)) -> Result<Option<T>> {
    let mut length = [0; 4];
    // The first byte tells the end between two messages from one inside of a message.
    if from.read(&mut length[..1]).await.map_err(broken)? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut length[1..]).await.map_err(broken)?;
    let length = u32::from_be_bytes(length) as usize;
    if length > LARGEST {
        return Err(Error::out_of_range(format!(
            "a message of {length} bytes on stdin: each one is four bytes of its length and then protobuf"
        )));
    }
    let mut message = vec![0; length];
    from.read_exact(&mut message).await.map_err(broken)?;
    Codec::PROTO.decode(Bytes::from(message)).map(Some)
}

/// Writes a message.
pub async fn write<T: Message>(to: &mut (impl AsyncWrite + Unpin), message: &T) -> Result<()> {
    let mut buffer = BytesMut::new();
    buffer.put_u32(0);
    Codec::PROTO.encode(message, &mut buffer)?;
    let length =
        u32::try_from(buffer.len() - 4).map_err(|_| Error::out_of_range("a message of over 4 GiB"))?;
    buffer[..4].copy_from_slice(&length.to_be_bytes());
    to.write_all(&buffer).await.map_err(broken)?;
    to.flush().await.map_err(broken)
}

fn broken(error: std::io::Error) -> Error {
    Error::unavailable("the pipe to the suite broke").with_source(error)
}

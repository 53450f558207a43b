//! Envelopes, as Connect, gRPC and gRPC-Web have them.

use bytes::{BufMut as _, Bytes, BytesMut};

/// A byte of flags, four bytes of length, the message.
pub(crate) fn envelope(flags: u8, message: impl AsRef<[u8]>) -> Bytes {
    let message = message.as_ref();
    let mut envelope = BytesMut::new();
    envelope.put_u8(flags);
    envelope.put_u32(u32::try_from(message.len()).unwrap());
    envelope.put_slice(message);
    envelope.freeze()
}

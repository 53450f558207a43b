//! gRPC's framing of messages: a byte that says whether it is compressed, and four of length.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use load::Result;
use prost::Message;

const PREFIX: usize = 5;

/// The message that goes both ways.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Note {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) payload: Vec<u8>,
}

/// What is wished of a server stream.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Wish {
    #[prost(uint32, tag = "1")]
    pub(crate) count: u32,
    #[prost(uint32, tag = "2")]
    pub(crate) size: u32,
}

/// A message with its prefix.
pub(crate) fn encode(message: &impl Message) -> Bytes {
    let mut out = BytesMut::new();
    put(&mut out, message);
    out.freeze()
}

/// Appends a message with its prefix.
pub(crate) fn put(out: &mut BytesMut, message: &impl Message) {
    let length = message.encoded_len();
    out.reserve(PREFIX + length);
    out.put_u8(0);
    // No message here has 4 GiB.
    out.put_u32(u32::try_from(length).unwrap_or(u32::MAX));
    message.encode_raw(out);
}

/// The next message, if all of it is there.
pub(crate) fn take<M: Message + Default>(bytes: &mut BytesMut) -> Result<Option<M>> {
    let Some(prefix) = bytes.first_chunk::<PREFIX>() else { return Ok(None) };
    let length = (&prefix[1..]).get_u32() as usize;
    let Some(message) = bytes.get(PREFIX..PREFIX + length) else { return Ok(None) };
    let message = M::decode(message)?;
    bytes.advance(PREFIX + length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_as_they_went_in() {
        let note = Note { name: "n".to_owned(), payload: vec![1, 2] };
        let mut bytes = BytesMut::from(&*encode(&note));
        let mut half = bytes.clone();
        half.truncate(6);
        assert_eq!(take::<Note>(&mut half).unwrap(), None);
        assert_eq!(take(&mut bytes).unwrap(), Some(note));
        assert!(bytes.is_empty());
    }
}

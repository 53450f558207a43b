//! What is on the wire: length, number of the call, kind, message.

use bytes::{Buf as _, BufMut as _, BytesMut};
use load::Result;
use prost::Message;

/// The bytes in front of each message.
const HEAD: usize = 4 + 4 + 1;

/// How much is read at once at most, and about how much is written.
pub(crate) const BATCH: usize = 256 * 1024;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// A note to be given back, or one that comes back.
    Note = 0,
    /// A wish for many notes.
    Wish = 1,
    /// The last frame of a stream.
    End = 2,
}

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

/// Appends a frame.
pub(crate) fn put(out: &mut BytesMut, id: u32, kind: Kind, message: &impl Message) -> Result<()> {
    let length = message.encoded_len();
    out.reserve(HEAD + length);
    out.put_u32_le(u32::try_from(length)?);
    out.put_u32_le(id);
    out.put_u8(kind as u8);
    Ok(message.encode(out)?)
}

/// Takes the next frame off, if all of it is there: its call, its kind and its message, which `read`
/// makes of the bytes.
pub(crate) fn take<T>(
    bytes: &mut BytesMut,
    read: impl FnOnce(u32, Kind, &[u8]) -> Result<T>,
) -> Result<Option<T>> {
    let Some(head) = bytes.first_chunk::<HEAD>() else { return Ok(None) };
    let mut head = &head[..];
    let (length, id, kind) = (head.get_u32_le() as usize, head.get_u32_le(), head.get_u8());
    if length > 16 << 20 {
        return Err(format!("a message of {length} bytes is too long").into());
    }
    let Some(message) = bytes.get(HEAD..HEAD + length) else {
        bytes.reserve(HEAD + length - bytes.len());
        return Ok(None);
    };
    let kind = match kind {
        0 => Kind::Note,
        1 => Kind::Wish,
        2 => Kind::End,
        other => return Err(format!("{other} is not a kind of frame").into()),
    };
    let done = read(id, kind, message)?;
    bytes.advance(HEAD + length);
    Ok(Some(done))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_come_out_as_they_went_in_and_not_before_they_are_whole() {
        let note = Note { name: load::NAME.to_owned(), payload: vec![7; 100] };
        let mut all = BytesMut::new();
        put(&mut all, 3, Kind::Note, &note).unwrap();
        put(&mut all, 4, Kind::End, &Note::default()).unwrap();
        let mut bytes = BytesMut::new();
        let mut seen = Vec::new();
        for byte in all {
            bytes.put_u8(byte);
            let read = |id, kind, message: &[u8]| Ok((id, kind, Note::decode(message)?));
            seen.extend(take(&mut bytes, read).unwrap());
        }
        assert_eq!(seen, [(3, Kind::Note, note), (4, Kind::End, Note::default())]);
    }

    #[test]
    fn what_is_no_frame_is_an_error() {
        let read = |_, _, _: &[u8]| Ok(());
        assert!(take(&mut BytesMut::from(&[0xff; HEAD][..]), read).is_err());
        assert!(take(&mut BytesMut::from(&[0, 0, 0, 0, 0, 0, 0, 0, 9][..]), read).is_err());
    }
}

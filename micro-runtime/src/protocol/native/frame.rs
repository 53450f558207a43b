//! Frames: what the bytes of a connection are made of, behind the preface.
//!
//! ```text
//! +----------------+--------+---------+----------------+
//! | length: 24     | kind: 8| flags: 8| call: 32       |   all big-endian
//! +----------------+--------+---------+----------------+
//! | payload: length bytes                              |
//! +----------------------------------------------------+
//! ```

use bytes::{BufMut as _, BytesMut};

/// The size of what stands in front of every payload.
pub(crate) const HEAD: usize = 9;

/// What a message, or a part of one, counts for the windows beside its bytes: about what it takes to keep
/// one. Otherwise any number of empty messages would fit into a window.
const OVERHEAD: usize = 32;

/// What so many bytes of a message in one frame count for the windows.
pub(crate) fn cost(length: usize) -> usize {
    length + OVERHEAD
}

/// The most bytes of a message in one frame that count no more than this; `None` where not even an empty
/// one does.
pub(crate) fn within(cost: u64) -> Option<usize> {
    usize::try_from(cost).unwrap_or(usize::MAX).checked_sub(OVERHEAD)
}

/// What a frame says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// The settings of a side: the first frame of each.
    Hello = 0x01,
    /// A path and a codec, and the number they have from now on.
    Route = 0x02,
    /// A call begins, maybe with its message.
    Open = 0x03,
    /// The metadata in front of an answer.
    Head = 0x04,
    /// A message, or a part of it.
    Data = 0x05,
    /// How a call ended, and the metadata behind its answer.
    End = 0x06,
    /// A call is broken off.
    Reset = 0x07,
    /// More may be sent.
    Credit = 0x08,
    /// Are you there?
    Ping = 0x09,
    /// No calls are taken any more.
    GoAway = 0x0a,
}

/// Frames of these kinds are left out by who does not know them, for extensions.
pub(crate) const EXTENSIONS: u8 = 0x80;

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        Some(match byte {
            0x01 => Self::Hello,
            0x02 => Self::Route,
            0x03 => Self::Open,
            0x04 => Self::Head,
            0x05 => Self::Data,
            0x06 => Self::End,
            0x07 => Self::Reset,
            0x08 => Self::Credit,
            0x09 => Self::Ping,
            0x0a => Self::GoAway,
            _ => return None,
        })
    }
}

/// `Open`, `Data`: nothing of this side follows.
pub(crate) const LAST: u8 = 0x01;
/// `Open`, `Data`: the message goes on in the next `Data` of the call.
pub(crate) const MORE: u8 = 0x02;
/// `Open`, `Data`: the message begins here and is compressed; its first byte says how.
pub(crate) const COMPRESSED: u8 = 0x04;
/// `Open`: there is a message behind the fields.
pub(crate) const MESSAGE: u8 = 0x08;
/// `Open`: there is a timeout.
pub(crate) const TIMEOUT: u8 = 0x10;
/// `Open`, `End`: there is metadata.
pub(crate) const METADATA: u8 = 0x20;
/// `Open`: the compression that the answer is wanted in.
pub(crate) const ANSWER_COMPRESSION: u8 = 0x40;
/// `End`: the call failed.
pub(crate) const FAILED: u8 = 0x80;
/// `Ping`: this is the answer to one.
pub(crate) const ACK: u8 = 0x01;

/// What stands in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    pub(crate) length: usize,
    /// The kind as it is on the wire.
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) call: u32,
}

impl FrameHead {
    /// Reads the head of a frame; `None` where not all of it is there.
    pub(crate) fn read(bytes: &[u8]) -> Option<Self> {
        let [a, b, c, kind, flags, call @ ..] = bytes.first_chunk::<HEAD>()?;
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        Some(Self { length, kind: *kind, flags: *flags, call: u32::from_be_bytes(*call) })
    }

    pub(crate) fn kind(&self) -> Option<Kind> {
        Kind::of(self.kind)
    }

    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Appends the head of a frame whose payload is this long. No payload is longer than 24 bits say.
pub(crate) fn put_head(out: &mut BytesMut, length: usize, kind: Kind, flags: u8, call: u32) {
    let [_, a, b, c] = (length as u32).to_be_bytes();
    let [d, e, f, g] = call.to_be_bytes();
    out.put_slice(&[a, b, c, kind as u8, flags, d, e, f, g]);
}

/// Appends a frame whose payload `fill` appends.
pub(crate) fn put(out: &mut BytesMut, kind: Kind, flags: u8, call: u32, fill: impl FnOnce(&mut BytesMut)) {
    let start = out.len();
    put_head(out, 0, kind, flags, call);
    fill(out);
    patch_length(out, start);
}

/// Writes the flags of the frame that begins at `start`, and its length: what stands in the buffer, and `more`
/// that is appended elsewhere.
pub(crate) fn patch(out: &mut BytesMut, start: usize, flags: u8, more: usize) {
    let [_, a, b, c] = ((out.len() - start - HEAD + more) as u32).to_be_bytes();
    out[start..start + 3].copy_from_slice(&[a, b, c]);
    out[start + 4] = flags;
}

/// Writes the length of the frame that begins at `start` and ends with the buffer.
pub(crate) fn patch_length(out: &mut BytesMut, start: usize) {
    let [_, a, b, c] = ((out.len() - start - HEAD) as u32).to_be_bytes();
    out[start..start + 3].copy_from_slice(&[a, b, c]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_head_is_read_as_it_was_written(
            length in 0..1_usize << 24,
            kind in 1..=10_u8,
            flags in any::<u8>(),
            call in any::<u32>(),
        ) {
            let kind = Kind::of(kind).unwrap();
            let mut out = BytesMut::new();
            put_head(&mut out, length, kind, flags, call);
            prop_assert_eq!(out.len(), HEAD);
            let head = FrameHead::read(&out).unwrap();
            prop_assert_eq!(head, FrameHead { length, kind: kind as u8, flags, call });
            prop_assert_eq!(head.kind(), Some(kind));
            prop_assert_eq!(FrameHead::read(&out[..HEAD - 1]), None);
        }

        #[test]
        fn the_length_of_a_frame_is_that_of_its_payload(before in 0..20_usize, length in 0..5000_usize) {
            let mut out = BytesMut::zeroed(before);
            put(&mut out, Kind::Data, LAST, 7, |out| out.put_bytes(1, length));
            prop_assert_eq!(FrameHead::read(&out[before..]).unwrap().length, length);
            prop_assert_eq!(out.len(), before + HEAD + length);
        }
    }

    #[test]
    fn every_kind_is_its_number() {
        let known: Vec<_> = (0..=u8::MAX).filter_map(Kind::of).map(|kind| kind as u8).collect();
        assert_eq!(known, (1..=10).collect::<Vec<_>>());
        assert!(known.iter().all(|kind| *kind < EXTENSIONS));
    }
}

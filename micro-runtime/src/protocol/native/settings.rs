//! How a connection begins: the preface of each side, which says the version, and its settings.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::fields::{Fields, put_number};
use super::frame::{self, Kind};
use super::violation::{Reason, Violation};
use crate::codec::Compression;

/// How either side opens a connection. No other protocol begins with this byte.
pub(crate) const PREFACE: &[u8; 8] = b"\xa9micro\r\n";

/// The versions of the protocol that this build speaks.
pub(crate) const VERSIONS: &[u8] = &[1];

/// The longest path of a method, and the longest name of a codec, in bytes: a server keeps those of all
/// routes.
pub(crate) const MAX_PATH: usize = 1024;
pub(crate) const MAX_CODEC: usize = 128;

/// The largest payload there can be.
const LARGEST_FRAME: usize = (1 << 24) - 1;

/// What a side takes. Each side says it once, with its `Hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How many calls may be open at once; of a server.
    pub(crate) max_calls: u32,
    /// What may be sent of one call before it is read, in bytes.
    pub(crate) call_window: u32,
    /// What may be sent of all calls before it is read, in bytes.
    pub(crate) connection_window: u32,
    /// The largest payload of a frame, in bytes.
    pub(crate) max_frame: u32,
    /// How much metadata a call may have on one side, in bytes.
    pub(crate) max_metadata: u32,
    /// How many routes may be named; of a server.
    pub(crate) max_routes: u32,
    /// The compressions that are read, a bit each.
    pub(crate) compressions: u8,
}

/// The settings of a side that does not say otherwise.
impl Default for Settings {
    fn default() -> Self {
        Self {
            max_calls: 1024,
            call_window: 256 * 1024,
            connection_window: 16 * 1024 * 1024,
            max_frame: 128 * 1024,
            max_metadata: 16 * 1024,
            max_routes: 4096,
            compressions: Compression::ALL.iter().fold(0, |bits, known| bits | 1 << number_of(*known)),
        }
    }
}

impl Settings {
    /// The fields by their numbers on the wire, from 1.
    fn values(&self) -> [u64; 7] {
        [
            self.max_calls.into(),
            self.call_window.into(),
            self.connection_window.into(),
            self.max_frame.into(),
            self.max_metadata.into(),
            self.max_routes.into(),
            self.compressions.into(),
        ]
    }

    /// The longest part of a message in one frame. It counts no more than half the window of a call and a
    /// quarter of that of the connection: what is read always makes room for so much.
    pub(crate) fn piece(&self) -> usize {
        let room = (self.call_window / 2).min(self.connection_window / 4);
        (self.max_frame as usize).min(frame::within(room.into()).unwrap_or_default())
    }

    /// Whether messages in this compression are read.
    pub(crate) fn reads(&self, compression: Compression) -> bool {
        self.compressions & 1 << number_of(compression) != 0
    }
}

/// The number of a compression on the wire.
pub(crate) fn number_of(compression: Compression) -> u8 {
    match compression.name() {
        "gzip" => 1,
        _ => 2,
    }
}

/// A compressed message as it is on the wire.
pub(crate) fn marked(compression: Compression, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::with_capacity(1 + message.len());
    bytes.put_u8(number_of(compression));
    bytes.put_slice(message);
    bytes.freeze()
}

/// The compression of this number, if this build has it.
pub(crate) fn compression_of(number: u8) -> Option<Compression> {
    Compression::ALL.iter().copied().find(|known| number_of(*known) == number)
}

/// Appends the preface and the `Hello`, which says the versions (one, where it answers another) and the settings.
pub(crate) fn put_hello(out: &mut BytesMut, versions: &[u8], settings: &Settings) {
    out.put_slice(PREFACE);
    frame::put(out, Kind::Hello, 0, 0, |out| {
        put_number(out, versions.len() as u64);
        out.put_slice(versions);
        for (number, value) in (1..).zip(settings.values()) {
            put_number(out, number);
            put_number(out, value);
        }
    });
}

/// Reads a `Hello`: its versions, and the settings. Settings that are not known are of a later version
/// and are left out.
pub(crate) fn read_hello(payload: &[u8]) -> Result<(Vec<u8>, Settings), Violation> {
    let mut fields = Fields(payload);
    let versions = fields.bytes()?.to_vec();
    let mut settings = Settings { compressions: 0, ..Settings::default() };
    while !fields.0.is_empty() {
        let (number, value) = (fields.number()?, fields.number()?);
        let value = u32::try_from(value).unwrap_or(u32::MAX);
        match number {
            1 => settings.max_calls = value,
            2 => settings.call_window = within(value, 64 * 1024, 1 << 30)?,
            3 => settings.connection_window = within(value, 64 * 1024, 1 << 30)?,
            4 => settings.max_frame = within(value, 16 * 1024, LARGEST_FRAME as u32)?,
            5 => settings.max_metadata = value,
            6 => settings.max_routes = value,
            7 => settings.compressions = value as u8,
            _ => {}
        }
    }
    // With the path, and what else stands in front of a message, it has to fit into a frame.
    settings.max_metadata = settings.max_metadata.min(settings.max_frame / 2);
    Ok((versions, settings))
}

fn within(value: u32, least: u32, most: u32) -> Result<u32, Violation> {
    if (least..=most).contains(&value) {
        return Ok(value);
    }
    Err(Violation::of_protocol(format!("a setting of {value}, which is to be from {least} to {most}")))
}

/// The best version that a client offers and this side speaks.
pub(crate) fn choose(offered: &[u8]) -> Result<u8, Violation> {
    VERSIONS.iter().copied().filter(|version| offered.contains(version)).max().ok_or_else(|| {
        Violation::new(
            Reason::Version,
            format!("this side speaks the versions {VERSIONS:?}, and was offered {offered:?}"),
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::protocol::native::frame::{FrameHead, HEAD};

    proptest! {
        #[test]
        fn settings_are_read_as_they_were_written(
            versions in vec(any::<u8>(), 0..4),
            call_window in 1_u32 << 16..1 << 30,
            max_calls in any::<u32>(),
        ) {
            let settings = Settings { call_window, max_calls, ..Settings::default() };
            let mut out = BytesMut::new();
            put_hello(&mut out, &versions, &settings);
            prop_assert_eq!(&out[..PREFACE.len()], PREFACE);
            let head = FrameHead::read(&out[PREFACE.len()..]).unwrap();
            prop_assert_eq!(head.kind(), Some(Kind::Hello));
            let payload = &out[PREFACE.len() + HEAD..];
            prop_assert_eq!(payload.len(), head.length);
            prop_assert_eq!(read_hello(payload).unwrap(), (versions, settings));
        }

        #[test]
        fn any_bytes_are_settings_or_a_violation(bytes in vec(any::<u8>(), 0..60)) {
            if let Ok((_, settings)) = read_hello(&bytes) {
                prop_assert!(settings.piece() >= 16 * 1024 - 32);
                prop_assert!(settings.piece() <= LARGEST_FRAME);
            }
        }
    }

    #[test]
    fn the_best_version_of_both_sides_is_chosen() {
        assert_eq!(choose(&[0, 1, 2, 9]).unwrap(), 1);
        let none = choose(&[2, 3]).unwrap_err();
        assert_eq!(none.reason, Reason::Version);
        assert!(none.text.contains("[1]") && none.text.contains("[2, 3]"), "{none}");
    }
}

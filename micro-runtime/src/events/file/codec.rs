//! How an event is written: a version, the time, the headers, the body. Numbers are big-endian.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use crate::broker::{Envelope, Headers};
use crate::error::{Error, Result};
use crate::events::Stored;

const VERSION: u8 = 1;

/// Where the body begins at the earliest: a version, a time, the number of headers.
const HEAD: usize = 1 + 8 + 2;

/// Writes an event whose time is not known yet.
pub(super) fn encode(envelope: &Envelope) -> Vec<u8> {
    let headers = envelope.headers.iter().map(|(name, value)| name.len() + value.len() + 8).sum::<usize>();
    let mut bytes = Vec::with_capacity(HEAD + headers + envelope.body.len());
    bytes.push(VERSION);
    bytes.extend(0u64.to_be_bytes());
    // Events were checked to have less.
    bytes.extend(u16::try_from(envelope.headers.len()).unwrap_or(u16::MAX).to_be_bytes());
    for (name, value) in envelope.headers.iter().take(usize::from(u16::MAX)) {
        for text in [name, value] {
            bytes.extend(u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes());
            bytes.extend(text.as_bytes());
        }
    }
    bytes.extend(&envelope.body);
    bytes
}

/// Writes the time into an event.
pub(super) fn set_time(event: &mut [u8], micros: u64) {
    if let Some(place) = event.get_mut(1..9) {
        place.copy_from_slice(&micros.to_be_bytes());
    }
}

/// The time of an event.
pub(super) fn time(event: &[u8]) -> Result<u64> {
    let mut reader = Reader(event);
    reader.version()?;
    reader.u64()
}

/// Reads an event.
pub(super) fn decode(offset: u64, event: &[u8]) -> Result<Stored> {
    let mut reader = Reader(event);
    reader.version()?;
    let time = from_micros(reader.u64()?);
    let count = usize::from(u16::from_be_bytes(reader.array()?));
    // Each takes eight bytes at the least.
    let mut headers = Headers::with_capacity(count.min(reader.0.len() / 8));
    for _ in 0..count {
        let name = reader.text()?.to_owned();
        headers.set(name, reader.text()?);
    }
    Ok(Stored { offset, time, envelope: Envelope { headers, body: Bytes::copy_from_slice(reader.0) } })
}

/// Writes an event for later, with its topic in front of it.
pub(super) fn encode_later(topic: &str, event: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + topic.len() + event.len());
    bytes.extend(u32::try_from(topic.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend(event);
    bytes
}

/// Reads an event for later: its topic, and the event as it is written.
pub(super) fn decode_later(bytes: &[u8]) -> Result<(&str, &[u8])> {
    let mut reader = Reader(bytes);
    let topic = reader.text()?;
    Ok((topic, reader.0))
}

/// A time of day as it is written: microseconds since 1970. Those before are 1970.
pub(super) fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn from_micros(micros: u64) -> SystemTime {
    UNIX_EPOCH.checked_add(Duration::from_micros(micros)).unwrap_or(UNIX_EPOCH)
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn version(&mut self) -> Result<()> {
        match self.array()? {
            [VERSION] => Ok(()),
            [other] => Err(Error::data_loss(format!(
                "an event was written in version {other}, and {VERSION} is known"
            ))),
        }
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk().ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(*array)
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from_be_bytes(self.array()?))
    }

    fn text(&mut self) -> Result<&'a str> {
        let length = usize::try_from(u32::from_be_bytes(self.array()?)).map_err(|_| cut_off())?;
        let (text, rest) = self.0.split_at_checked(length).ok_or_else(cut_off)?;
        self.0 = rest;
        std::str::from_utf8(text)
            .map_err(|error| Error::data_loss("a header of an event is no text").with_source(error))
    }
}

#[cold]
fn cut_off() -> Error {
    Error::data_loss("an event is shorter than it says")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            headers in prop::collection::vec((".{0,20}", ".{0,40}"), 0..8),
            body in prop::collection::vec(any::<u8>(), 0..200),
            at in 0u64..1 << 55,
            topic in ".{0,20}",
        ) {
            let envelope = Envelope { headers: headers.into_iter().collect(), body: body.into() };
            let mut event = encode(&envelope);
            set_time(&mut event, at);
            prop_assert_eq!(time(&event).unwrap(), at);
            let stored = decode(7, &event).unwrap();
            prop_assert_eq!((stored.offset, micros(stored.time)), (7, at));
            prop_assert_eq!(stored.envelope, envelope);
            let later = encode_later(&topic, &event);
            prop_assert_eq!(decode_later(&later).unwrap(), (topic.as_str(), event.as_slice()));
        }

        #[test]
        fn other_bytes_are_an_error_and_never_a_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..100), valid in any::<bool>()) {
            if let Some(version) = bytes.first_mut().filter(|_| valid) {
                *version = VERSION;
            }
            for error in [decode(0, &bytes).err(), decode_later(&bytes).err(), time(&bytes).err()].into_iter().flatten() {
                prop_assert_eq!(error.code(), crate::Code::DataLoss);
            }
        }

        #[test]
        fn an_event_that_is_cut_off_is_an_error_until_its_body_begins(cut in 0usize..100) {
            let event = encode(&Envelope::new("").with("name", "value").with("other", "more"));
            let cut = cut.min(event.len() - 1);
            prop_assert!(decode(0, &event[..cut]).is_err());
        }
    }
}

//! What stands in payloads: numbers, texts, metadata and errors.
//!
//! A number is a varint as in protobuf: seven bits in each byte, the lowest first, and the highest bit
//! of a byte says that there is another one. A text or bytes are their length and then themselves.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};

use super::violation::Violation;
use crate::error::{Code, Detail, Error};
use crate::metadata::Metadata;

/// What an entry of metadata counts beside its name and its value, in bytes.
const ENTRY: usize = 32;

pub(crate) fn put_number(out: &mut BytesMut, mut number: u64) {
    while number >= 0x80 {
        out.put_u8(number as u8 | 0x80);
        number >>= 7;
    }
    out.put_u8(number as u8);
}

pub(crate) fn put_bytes(out: &mut BytesMut, bytes: &[u8]) {
    put_number(out, bytes.len() as u64);
    out.put_slice(bytes);
}

/// The number of entries, and each as its name and its value.
pub(crate) fn put_metadata(out: &mut BytesMut, metadata: &Metadata) {
    put_number(out, metadata.len() as u64);
    for (name, value) in metadata.iter() {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value);
    }
}

/// What metadata counts for its limit, in bytes: names and values, and 32 for each entry, as in HTTP/2.
pub(crate) fn size_of(metadata: &Metadata) -> usize {
    metadata.iter().map(|(name, value)| name.len() + value.len() + ENTRY).sum()
}

/// The code, the message, and the details: their number, and each as its type and its value.
pub(crate) fn put_error(out: &mut BytesMut, error: &Error) {
    out.put_u8(error.code() as u8);
    put_bytes(out, error.message().as_bytes());
    put_number(out, error.details().len() as u64);
    for detail in error.details() {
        put_bytes(out, detail.type_name().as_bytes());
        put_bytes(out, detail.value());
    }
}

/// Reads the fields of a payload from the front.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    pub(crate) fn byte(&mut self) -> Result<u8, Violation> {
        self.0.try_get_u8().map_err(|_| cut_off())
    }

    pub(crate) fn number(&mut self) -> Result<u64, Violation> {
        // Most numbers are small.
        if let [byte @ ..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            return Ok(u64::from(*byte));
        }
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(Violation::of_protocol("a number of over 64 bits"))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Violation> {
        let length = usize::try_from(self.number()?).map_err(|_| cut_off())?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(cut_off)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Violation> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Violation::of_protocol("a text that is not UTF-8"))
    }

    /// Reads metadata that counts no more than `most`. Entries that cannot be metadata are left out, as
    /// those of other protocols are.
    pub(crate) fn metadata(&mut self, most: u32) -> Result<Metadata, Violation> {
        let (mut metadata, mut size) = (Metadata::new(), 0);
        for _ in 0..self.number()? {
            let (name, value) = (self.text()?, self.bytes()?);
            size += name.len() + value.len() + ENTRY;
            if size > most as usize {
                return Err(Violation::of_protocol(format!("metadata of over {most} bytes")));
            }
            if metadata.append(name, value).is_err() {
                tracing::debug!(name, "left out an entry that is not valid metadata");
            }
        }
        Ok(metadata)
    }

    /// An unknown code is read as `unknown`: it is of a later version.
    pub(crate) fn error(&mut self) -> Result<Error, Violation> {
        let code = Code::from_number(u32::from(self.byte()?)).unwrap_or(Code::Unknown);
        let mut error = Error::new(code, self.text()?);
        for _ in 0..self.number()? {
            let (name, value) = (self.text()?, self.bytes()?);
            error = error.with_detail(Detail::new(name, Bytes::copy_from_slice(value)));
        }
        Ok(error)
    }
}

#[cold]
fn cut_off() -> Violation {
    Violation::of_protocol("a payload that ends in the middle of a field")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(number in prop_oneof![any::<u64>(), 0..1000_u64]) {
            let mut out = BytesMut::new();
            put_number(&mut out, number);
            prop_assert!(out.len() <= 10);
            let mut fields = Fields(&out);
            prop_assert_eq!(fields.number().unwrap(), number);
            prop_assert!(fields.0.is_empty());
        }

        #[test]
        fn metadata_is_read_as_it_was_written(
            entries in vec(("x[a-z]{1,8}(-bin)?", "[ -~]{0,20}"), 0..8),
        ) {
            let mut metadata = Metadata::new();
            for (name, value) in &entries {
                metadata.append(name, value).unwrap();
            }
            let mut out = BytesMut::new();
            put_metadata(&mut out, &metadata);
            let size = u32::try_from(size_of(&metadata)).unwrap();
            prop_assert!(Fields(&out).metadata(size).unwrap() == metadata);
            prop_assert!(size == 0 || Fields(&out).metadata(size - 1).is_err());
            for length in 0..out.len() {
                prop_assert!(Fields(&out[..length]).metadata(u32::MAX).is_err());
            }
        }

        #[test]
        fn an_error_is_read_as_it_was_written(
            code in 1..=16_u32,
            message in ".{0,20}",
            details in vec(("[a-z.]{1,10}", vec(any::<u8>(), 0..10)), 0..4),
        ) {
            let mut error = Error::new(Code::from_number(code).unwrap(), message);
            for (name, value) in details {
                error = error.with_detail(Detail::new(name, value));
            }
            let mut out = BytesMut::new();
            put_error(&mut out, &error);
            let read = Fields(&out).error().unwrap();
            prop_assert_eq!((read.code(), read.message()), (error.code(), error.message()));
            prop_assert_eq!(read.details(), error.details());
        }

        #[test]
        fn any_bytes_are_fields_or_a_violation(bytes in vec(any::<u8>(), 0..60)) {
            let _ = Fields(&bytes).number();
            let _ = Fields(&bytes).text();
            let _ = Fields(&bytes).error();
            // No more entries than there are bytes for, whatever their number is said to be.
            if let Ok(metadata) = Fields(&bytes).metadata(u32::MAX) {
                prop_assert!(metadata.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn a_number_has_no_more_than_64_bits() {
        assert!(Fields(&[0xff; 12]).number().is_err());
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(Fields(&most).number().unwrap(), u64::MAX);
        most[9] = 2;
        assert!(Fields(&most).number().is_err());
    }
}

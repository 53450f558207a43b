use std::fmt;
use std::marker::PhantomData;

use base64::Engine as _;
use base64::alphabet;
use base64::display::Base64Display;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use serde::de::{Deserializer, Error, Visitor};
use serde::ser::Serializer;

use super::Rule;

/// `bytes`.
#[derive(Debug)]
pub struct Base64;

impl<T: AsRef<[u8]> + From<Vec<u8>>> Rule<T> for Base64 {
    fn write<S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(value.as_ref(), &general_purpose::STANDARD))
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(Base64Visitor(PhantomData))
    }

    fn is_default(value: &T) -> bool {
        value.as_ref().is_empty()
    }
}

/// Decodes base64 in either alphabet, padded or not.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, base64::DecodeError> {
    const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent);
    const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
    const URL_SAFE: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT);

    if text.contains(['-', '_']) { URL_SAFE.decode(text) } else { STANDARD.decode(text) }
}

struct Base64Visitor<T>(PhantomData<T>);

impl<T: From<Vec<u8>>> Visitor<'_> for Base64Visitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes as base64")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        decode(text).map(T::from).map_err(|error| E::custom(format_args!("invalid base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::super::testing::{read, written};
    use super::*;

    proptest! {
        #[test]
        fn any_bytes_come_back_from_every_spelling(bytes in vec(any::<u8>(), 0..40)) {
            let text = written::<Base64, _>(&bytes).unwrap();
            let text = text.trim_matches('"');
            for text in [text, text.trim_end_matches('=')] {
                for text in [text.to_owned(), text.replace('+', "-").replace('/', "_")] {
                    prop_assert_eq!(decode(&text).unwrap(), &bytes[..]);
                }
            }
        }

        #[test]
        fn any_text_is_bytes_or_an_error(text in "[A-Za-z0-9+/=_-]{0,12}|.{0,12}") {
            if let Ok(bytes) = decode(&text) {
                prop_assert_eq!(bytes.len(), text.trim_end_matches('=').len() * 3 / 4);
            }
        }
    }

    #[test]
    fn bytes_are_written_padded_and_read_in_both_alphabets_padded_or_not() {
        let value = vec![0xfb_u8, 0xff, 0xfe, 0x01];
        assert_eq!(written::<Base64, _>(&value).unwrap(), r#""+//+AQ==""#);
        for text in [r#""+//+AQ==""#, r#""+//+AQ""#, r#""-__-AQ==""#, r#""-__-AQ""#] {
            assert_eq!(read::<Base64, Vec<u8>>(text).unwrap(), value, "{text}");
            assert_eq!(read::<Base64, bytes::Bytes>(text).unwrap(), value, "{text}");
        }
    }

    #[test]
    fn what_is_not_base64_is_an_error() {
        for text in [r#""+-""#, r#""a b""#, r#""A""#, r#""AQ=""A""#, "1", "null"] {
            assert!(read::<Base64, Vec<u8>>(text).is_err(), "{text}");
        }
    }
}

//! An envelope as go-micro's brokers for HTTP and NATS carry it: `{"Header":{"name":"value"},"Body":"…"}`, the body
//! in standard base64.
//!
//! It is read as Go's `encoding/json` reads it, because that is what the other side uses: the case of the two names
//! does not matter, what is not known is skipped, and `null` is nothing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::{Envelope, Headers, check};
use crate::error::{Error, Result};

/// The most headers of an event that are taken, with room for the topic, which a driver may add…
const MOST_HEADERS: usize = check::MOST_HEADERS + 1;

/// …and the most bytes that their names and values may have together.
const LARGEST_HEADERS: usize = check::LARGEST_HEADERS + 512;

/// What is around the headers and the body, and the quotes of some headers.
const FRAME: usize = 64;

/// Writes an envelope.
pub(super) fn write(envelope: &Envelope) -> Bytes {
    let Envelope { headers, body } = envelope;
    let names: usize = headers.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    let encoded = base64::encoded_len(body.len(), true).unwrap_or_default();
    let mut json = Vec::with_capacity(FRAME + names + encoded);
    json.extend_from_slice(br#"{"Header":{"#);
    for (index, (name, value)) in headers.iter().enumerate() {
        if index > 0 {
            json.push(b',');
        }
        text(&mut json, name);
        json.push(b':');
        text(&mut json, value);
    }
    json.extend_from_slice(br#"},"Body":""#);
    let begin = json.len();
    json.resize(begin + encoded, 0);
    // It has just the length that is needed, so it fits.
    let written = json.get_mut(begin..).map_or(Ok(0), |rest| STANDARD.encode_slice(body, rest));
    debug_assert_eq!(written.ok(), Some(encoded));
    json.extend_from_slice(br#""}"#);
    json.into()
}

/// Reads an envelope. Fails with `invalid_argument` where it is none, or has too many headers.
pub(super) fn read(json: &[u8]) -> Result<Envelope> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let read = parser.deserialize_map(Whole).and_then(|envelope| parser.end().map(|()| envelope));
    read.map_err(|error| {
        Error::invalid_argument(format!(
            r#"this is no event as go-micro's JSON has it, {{"Header":{{…}},"Body":"<base64>"}}: {error}"#
        ))
        .with_source(error)
    })
}

/// A string of JSON.
fn text(json: &mut Vec<u8>, text: &str) {
    // Most need no escape, and are taken as they are.
    if text.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\') {
        json.push(b'"');
        json.extend_from_slice(text.as_bytes());
        json.push(b'"');
    } else {
        // Writing a string to memory does not fail.
        let written = serde_json::to_writer(json, text);
        debug_assert!(written.is_ok());
    }
}

struct Whole;

impl<'de> Visitor<'de> for Whole {
    type Value = Envelope;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `Header` and `Body`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Envelope, A::Error> {
        let mut envelope = Envelope::default();
        while let Some(Key(key)) = map.next_key()? {
            match key {
                Field::Header => {
                    if map.next_value_seed(Header(&mut envelope.headers))?.is_none() {
                        envelope.headers = Headers::new();
                    }
                }
                Field::Body => envelope.body = map.next_value_seed(Body)?,
                Field::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(envelope)
    }
}

enum Field {
    Header,
    Body,
    Other,
}

/// The name of a part, in any case.
struct Key(Field);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;

        impl Visitor<'_> for Names {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E: de::Error>(self, name: &str) -> Result<Key, E> {
                Ok(Key(if name.eq_ignore_ascii_case("Header") {
                    Field::Header
                } else if name.eq_ignore_ascii_case("Body") {
                    Field::Body
                } else {
                    Field::Other
                }))
            }
        }
        deserializer.deserialize_str(Names)
    }
}

/// Reads headers to those that are there: one that comes again takes the place of the one before. `None` for `null`.
struct Header<'a>(&'a mut Headers);

impl<'de> DeserializeSeed<'de> for Header<'_> {
    type Value = Option<()>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<()>, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Header<'_> {
    type Value = Option<()>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of headers, or null")
    }

    fn visit_none<E: de::Error>(self) -> Result<Option<()>, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<()>, D::Error> {
        deserializer.deserialize_map(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<()>, A::Error> {
        let mut size: usize = self.0.iter().map(|(name, value)| name.len() + value.len()).sum();
        // What is replaced counts as well: how often one comes is up to the other side.
        let mut count = self.0.len();
        while let Some(name) = map.next_key::<String>()? {
            let value: String = map.next_value::<Option<String>>()?.unwrap_or_default();
            count += 1;
            size += name.len() + value.len();
            if count > MOST_HEADERS || size > LARGEST_HEADERS {
                return Err(de::Error::custom(format_args!(
                    "it has more than {MOST_HEADERS} headers, or more than {LARGEST_HEADERS} bytes of them"
                )));
            }
            self.0.set(name, value);
        }
        Ok(Some(()))
    }
}

/// Bytes in base64, which become no string in between.
struct Body;

impl<'de> DeserializeSeed<'de> for Body {
    type Value = Bytes;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Body {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a body in base64, or null")
    }

    fn visit_none<E: de::Error>(self) -> Result<Bytes, E> {
        Ok(Bytes::new())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Bytes, D::Error> {
        deserializer.deserialize_str(self)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes, E> {
        let decoded = if text.contains(['\r', '\n']) {
            // Go does not mind line breaks.
            STANDARD.decode(text.replace(['\r', '\n'], ""))
        } else {
            STANDARD.decode(text)
        };
        decoded.map(Bytes::from).map_err(|error| E::custom(format_args!("the body is no base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::{hash_map, vec};
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    proptest! {
        #[test]
        fn any_envelope_comes_back(headers in hash_map(any::<String>(), any::<String>(), 0..8), body in vec(any::<u8>(), 0..400)) {
            let envelope = Envelope { headers: headers.into_iter().collect(), body: body.into() };
            prop_assert_eq!(read(&write(&envelope)).unwrap(), envelope);
        }

        #[test]
        fn what_is_written_is_what_go_would_read(name in any::<String>(), value in any::<String>(), body in vec(any::<u8>(), 0..50)) {
            let envelope = Envelope::new(body.clone());
            let envelope = Envelope { headers: Headers::from_iter([(name.clone(), value.clone())]), ..envelope };
            let json: serde_json::Value = serde_json::from_slice(&write(&envelope)).unwrap();
            prop_assert_eq!(json, json!({ "Header": { name: value }, "Body": STANDARD.encode(body) }));
        }

        #[test]
        fn what_is_damaged_is_another_envelope_or_an_error(
            flips in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
            end in any::<prop::sample::Index>(),
        ) {
            let mut json = br#"{"Header":{"Micro-Topic":"a","x":null},"Other":[1,{}],"Body":"AAEC\n"}"#.to_vec();
            for (index, byte) in flips {
                *index.get_mut(&mut json) = byte;
            }
            json.truncate(end.index(json.len() + 1));
            if let Ok(envelope) = read(&json) {
                prop_assert_eq!(read(&write(&envelope)).unwrap(), envelope);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }
    }

    #[test]
    fn it_is_read_as_go_reads_it() {
        let of = |json: &str| read(json.as_bytes()).map_err(|error| error.message().to_owned());
        let expected = Envelope::new("hi").with(Envelope::TOPIC, "greeted");
        for same in [
            r#"{"Header":{"Micro-Topic":"greeted"},"Body":"aGk="}"#,
            r#" { "body" : "aG\nk=" , "HEADER" : { "Micro-Topic" : "greeted" } } "#,
            r#"{"Header":{"Micro-Topic":"other"},"New":{"a":[null]},"Header":{"Micro-Topic":"greeted"},"Body":"\u0061Gk="}"#,
        ] {
            assert_eq!(of(same).as_ref(), Ok(&expected), "{same}");
        }
        for empty in
            ["{}", r#"{"Header":null,"Body":null}"#, r#"{"Header":{"a":"b"},"Header":null,"Body":""}"#]
        {
            assert_eq!(of(empty), Ok(Envelope::default()), "{empty}");
        }
        assert_eq!(
            of(r#"{"Header":{"a":null}}"#).map(|e| e.headers.get("a").map(str::to_owned)),
            Ok(Some(String::new()))
        );
        for (wrong, reason) in [
            ("", "EOF"),
            ("[]", "an object with `Header` and `Body`"),
            ("null", "an object with `Header` and `Body`"),
            (r#"{"Header":{"a":1}}"#, "a string"),
            (r#"{"Header":"a"}"#, "headers"),
            (r#"{"Body":"a"}"#, "no base64"),
            (r#"{"Body":"aG-_"}"#, "no base64"),
            (r#"{"Body":5}"#, "base64"),
            ("{} {}", "trailing"),
        ] {
            let error = of(wrong).expect_err(wrong);
            assert!(error.contains(reason), "{wrong}: {error}");
        }
    }

    #[test]
    fn headers_are_bounded_in_number_and_size() {
        let of = |headers: usize, length: usize| {
            let headers = (0..headers).map(|n| (format!("{n:03}"), "x".repeat(length)));
            read(&write(&Envelope { headers: headers.collect(), body: Bytes::new() }))
        };
        assert!(of(MOST_HEADERS, 1).is_ok());
        assert!(of(MOST_HEADERS + 1, 1).is_err());
        assert!(of(1, LARGEST_HEADERS - 3).is_ok());
        assert!(of(1, LARGEST_HEADERS - 2).is_err());
        let again = format!(r#"{{"Header":{{{}}}}}"#, vec![r#""a":"b""#; MOST_HEADERS + 1].join(","));
        assert!(read(again.as_bytes()).is_err());
    }
}

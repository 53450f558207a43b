//! A node in the TXT data of a go-micro record: JSON, compressed with zlib, in hexadecimal.

use std::fmt::Write as _;
use std::io::{Read, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::{Deserialize, Serialize};

use crate::registry::record::read;
use crate::registry::{EndpointRecord, Labels, Registration};

/// The longest string in TXT data.
const MAX_STRING: usize = 255;

/// The longest text that is sent: with the other records it has to fit into one packet of at most 9000 bytes (RFC 6762, 17).
const MAX_TEXT: usize = 8000;

/// The longest text that is read, which is what a UDP packet has room for.
const MAX_READ: usize = 65_535;

/// The largest JSON that is taken out of it, against one that grows without end.
const MAX_JSON: u64 = 64 * 1024;

/// The most that the endpoints of a node may take in memory, about, which is what those of some hundred methods do.
const LARGEST_ENDPOINTS: usize = 256 * 1024;

/// What go-micro writes, in its order.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Text {
    metadata: Option<Labels>,
    service: String,
    version: String,
    endpoints: Option<Vec<EndpointRecord>>,
}

/// The strings of the TXT data. Endpoints are left out where they do not fit; `None` where the rest does not either.
pub(super) fn encode(registration: &Registration) -> Option<Vec<String>> {
    let full = text(registration, true).filter(|text| text.len() <= MAX_TEXT);
    let text = full.or_else(|| text(registration, false).filter(|text| text.len() <= MAX_TEXT))?;
    let mut strings = Vec::new();
    let mut rest = text.as_str();
    while !rest.is_empty() {
        // It is ASCII, so any cut is one between characters.
        let (now, later) = rest.split_at(rest.len().min(MAX_STRING));
        strings.push(now.to_owned());
        rest = later;
    }
    Some(strings)
}

fn text(registration: &Registration, with_endpoints: bool) -> Option<String> {
    let endpoints = with_endpoints && !registration.endpoints.is_empty();
    let text = Text {
        metadata: Some(registration.node.metadata.clone()),
        service: registration.service.clone(),
        version: registration.version.clone(),
        endpoints: endpoints.then(|| registration.endpoints.clone()),
    };
    let json = serde_json::to_vec(&text).ok()?;
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&json).ok()?;
    let compressed = encoder.finish().ok()?;
    let mut hex = String::with_capacity(compressed.len() * 2);
    for byte in compressed {
        // Writing to a string does not fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Some(hex)
}

/// What the strings say of a node, without its id and address. `None` where they are not go-micro's.
pub(super) fn decode<'a>(strings: impl Iterator<Item = &'a [u8]>) -> Option<Registration> {
    let mut hex = Vec::new();
    for string in strings {
        hex.extend_from_slice(string);
        if hex.len() > MAX_READ {
            return None;
        }
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    if hex.is_empty() || !hex.len().is_multiple_of(2) {
        return None;
    }
    let compressed: Option<Vec<u8>> =
        hex.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    let mut json = Vec::new();
    ZlibDecoder::new(compressed?.as_slice()).take(MAX_JSON + 1).read_to_end(&mut json).ok()?;
    if json.len() as u64 > MAX_JSON {
        return None;
    }
    let text: Text = read::parse(&json).ok()?;
    // They are for people: without too many of them it is a node all the same.
    let endpoints = text.endpoints.filter(|endpoints| {
        endpoints.iter().map(EndpointRecord::size).fold(0, usize::saturating_add) <= LARGEST_ENDPOINTS
    });
    Some(Registration {
        service: text.service,
        version: text.version,
        metadata: Labels::new(),
        endpoints: endpoints.unwrap_or_default(),
        node: crate::registry::Node { metadata: text.metadata.unwrap_or_default(), ..Default::default() },
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::registry::Node;

    fn there_and_back(registration: &Registration) -> Option<Registration> {
        let strings = encode(registration)?;
        assert!(strings.iter().all(|string| string.len() <= MAX_STRING));
        decode(strings.iter().map(|string| string.as_bytes()))
    }

    /// Written down in the description of go-micro's format.
    #[test]
    fn the_record_of_a_go_program_is_read() {
        let hex = "789c0dc8310ac0200c05d0bbfcd913b877ec54e81e3414c126126317f1eef58d6fe264a74c4e8813cdd4356945c43b52c30ab8d8be92\
                   78cf63ccce86809bad17957d959cbbef3a24372de21d5146adeb0747e11ea0";
        let node = decode([hex.as_bytes()].into_iter()).unwrap();
        assert_eq!((node.service.as_str(), node.version.as_str()), ("greeter", "latest"));
        assert_eq!(node.node.metadata["protocol"], "mucp");
        assert!(node.endpoints.is_empty());
    }

    #[test]
    fn the_json_is_in_go_micros_order() {
        let mut registration = Registration::new("greeter", Node::new("greeter-1", "127.0.0.1:1"));
        registration.node.metadata.insert("protocol".into(), "mucp".into());
        let text = Text {
            metadata: Some(registration.node.metadata.clone()),
            service: "greeter".into(),
            version: "latest".into(),
            endpoints: None,
        };
        let json = serde_json::to_string(&text).unwrap();
        assert_eq!(
            json,
            r#"{"Metadata":{"protocol":"mucp"},"Service":"greeter","Version":"latest","Endpoints":null}"#
        );
    }

    #[test]
    fn endpoints_that_do_not_fit_are_left_out_and_metadata_that_does_not_is_too_much() {
        let noise = |seed: u64, length: usize| {
            let mut random = fastrand::Rng::with_seed(seed);
            (0..length).map(|_| random.alphanumeric()).collect::<String>()
        };
        let mut registration = Registration::new("greeter", Node::new("greeter-1", "127.0.0.1:1"));
        for number in 0..300 {
            registration
                .endpoints
                .push(EndpointRecord { name: noise(number, 30), ..EndpointRecord::default() });
        }
        assert!(there_and_back(&registration).unwrap().endpoints.is_empty());
        registration.node.metadata.insert("noise".into(), noise(7, 9000));
        assert!(encode(&registration).is_none());
    }

    #[test]
    fn a_text_that_grows_without_end_is_refused() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let json = format!("{{\"Service\":\"a\",\"Version\":\"{}\"}}", " ".repeat(10 << 20));
        encoder.write_all(json.as_bytes()).unwrap();
        let hex: String = encoder.finish().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(hex.len() < MAX_READ);
        assert!(decode([hex.as_bytes()].into_iter()).is_none());
    }

    #[test]
    fn endpoints_that_would_become_much_more_are_left_out() {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        let json =
            format!(r#"{{"Service":"a","Version":"1","Endpoints":[{}]}}"#, vec!["{}"; 20_000].join(","));
        encoder.write_all(json.as_bytes()).unwrap();
        let hex: String = encoder.finish().unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        let node = decode([hex.as_bytes()].into_iter()).unwrap();
        assert_eq!((node.service.as_str(), node.endpoints.len()), ("a", 0));
    }

    proptest! {
        #[test]
        fn any_node_survives_the_record(
            (service, version) in ("[a-z.]{1,20}", "[a-z0-9.+]{1,20}"),
            metadata in btree_map(any::<String>(), any::<String>(), 0..4),
            names in vec("[A-Z][a-z]{0,9}[.][A-Z][a-z]{0,9}", 0..4),
        ) {
            let mut registration = Registration::new(service, Node::default());
            registration.version = version;
            registration.node.metadata = metadata;
            registration.endpoints =
                names.into_iter().map(|name| EndpointRecord { name, ..EndpointRecord::default() }).collect();
            prop_assert_eq!(there_and_back(&registration), Some(registration));
        }

        #[test]
        fn any_strings_are_a_node_or_none(strings in vec(vec(any::<u8>(), 0..40), 0..4), flip in any::<(usize, u8)>()) {
            let _ = decode(strings.iter().map(Vec::as_slice));
            let node = Registration::new("greeter", Node::default());
            let mut hex = encode(&node).unwrap().concat().into_bytes();
            let at = flip.0 % hex.len();
            hex[at] = flip.1;
            let _ = decode([hex.as_slice()].into_iter());
        }
    }
}

//! What Consul has no room for, as tags: go-micro's way.
//!
//! | Tag | What is in it |
//! |---|---|
//! | `t-` | `{"key":"value"}`, one tag for each pair of the node's metadata |
//! | `e-` | the record of an endpoint, as JSON |
//! | `v-` | the version |
//! | `m-` | `{"key":"value"}` of the service's metadata, which go-micro does not have and passes over |
//!
//! The content is compressed with zlib and written in hexadecimal digits. Old records of go-micro have `t=`, `e=` and `v=`, and the
//! content as it is.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::registry::record::read;
use crate::registry::{EndpointRecord, Labels, Registration};

/// The most that a tag may hold, and all tags of a node together.
const LARGEST_TAG: usize = 64 << 10;
const LARGEST_NODE: usize = 1 << 20;

/// The most that the endpoints of a node may take in memory, about.
const LARGEST_ENDPOINTS: usize = 4 << 20;

/// The tags of a node.
pub(super) fn encode(registration: &Registration) -> Result<Vec<String>> {
    let mut tags = Vec::new();
    for (letter, labels) in [('t', &registration.node.metadata), ('m', &registration.metadata)] {
        for (key, value) in labels {
            tags.push(tag(letter, &json(&Labels::from([(key.clone(), value.clone())]))?)?);
        }
    }
    for endpoint in &registration.endpoints {
        tags.push(tag('e', &json(endpoint)?)?);
    }
    tags.push(tag('v', registration.version.as_bytes())?);
    Ok(tags)
}

/// What the tags say; those of others, and those that cannot be read, are passed over.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Said {
    pub(super) version: String,
    pub(super) metadata: Labels,
    pub(super) service_metadata: Labels,
    pub(super) endpoints: Vec<EndpointRecord>,
}

pub(super) fn decode<'a>(tags: impl IntoIterator<Item = &'a str>) -> Said {
    let mut said = Said::default();
    let mut left = LARGEST_NODE;
    let mut room = LARGEST_ENDPOINTS;
    for tag in tags {
        let Some((letter @ (b't' | b'e' | b'v' | b'm'), content)) = content(tag, left) else { continue };
        left = left.saturating_sub(content.len());
        match letter {
            b't' => said.metadata.extend(parsed::<Labels>(&content).unwrap_or_default()),
            b'm' => said.service_metadata.extend(parsed::<Labels>(&content).unwrap_or_default()),
            b'e' => {
                let endpoint: Option<EndpointRecord> = parsed(&content);
                let size = endpoint.as_ref().map_or(0, EndpointRecord::size);
                if size <= room {
                    room -= size;
                    said.endpoints.extend(endpoint);
                }
            }
            _ => said.version = String::from_utf8(content).unwrap_or_default(),
        }
    }
    said
}

/// Whether a tag is one of those that every node of go-micro and ours has.
pub(super) fn is_ours(tag: &str) -> bool {
    tag.starts_with("v-") || tag.starts_with("v=")
}

fn tag(letter: char, content: &[u8]) -> Result<String> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let compressed = encoder.write_all(content).and_then(|()| encoder.finish());
    let compressed =
        compressed.map_err(|error| Error::internal("cannot compress a tag for Consul").with_source(error))?;
    let digits: String = compressed.iter().flat_map(|byte| [byte >> 4, byte & 15]).map(digit).collect();
    Ok(format!("{letter}-{digits}"))
}

/// The letter of a tag and its content, which is at most so long.
fn content(tag: &str, most: usize) -> Option<(u8, Vec<u8>)> {
    let (letter, form, rest) = match tag.as_bytes() {
        [letter, form, rest @ ..] if rest.len() <= LARGEST_TAG => (*letter, *form, rest),
        _ => return None,
    };
    let content = match form {
        b'=' => rest.to_vec(),
        b'-' => inflate(&from_digits(rest)?)?,
        _ => return None,
    };
    (content.len() <= most).then_some((letter, content))
}

fn inflate(compressed: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::new();
    let limit = u64::try_from(LARGEST_TAG).unwrap_or(u64::MAX);
    ZlibDecoder::new(compressed).take(limit + 1).read_to_end(&mut content).ok()?;
    (content.len() <= LARGEST_TAG).then_some(content)
}

fn from_digits(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(value(*high)? << 4 | value(*low)?),
        _ => None,
    });
    pairs.collect()
}

fn digit(value: u8) -> char {
    char::from_digit(value.into(), 16).unwrap_or('0')
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::internal("cannot write a tag for Consul").with_source(error))
}

fn parsed<T: DeserializeOwned>(content: &[u8]) -> Option<T> {
    read::parse(content).ok()
}

#[cfg(test)]
mod tests {
    use proptest::collection::{btree_map, vec};
    use proptest::prelude::*;

    use super::*;
    use crate::registry::Node;

    fn of(tags: &[&str]) -> Said {
        decode(tags.iter().copied())
    }

    /// Written by go-micro 5.12 (`registry/consul/encoding.go`).
    #[test]
    fn tags_of_go_micro_are_read() {
        assert_eq!(of(&["v-789ccb492c492d2e010008cc028e"]).version, "latest");
        let old =
            of(&["v=1.0", r#"t={"zone":"a"}"#, r#"e={"name":"Say.Hello","request":null,"metadata":null}"#]);
        assert_eq!((old.version.as_str(), old.metadata["zone"].as_str()), ("1.0", "a"));
        assert_eq!(old.endpoints[0].name, "Say.Hello");
    }

    #[test]
    fn tags_of_others_are_passed_over_wherever_they_stand() {
        let mut node = Registration::new("a", Node::new("a-1", "b:1"));
        node.node.metadata.insert("zone".into(), "a".into());
        let mut tags = encode(&node).unwrap();
        tags.insert(0, "traefik.enable=true".into());
        tags.extend(["t".into(), "e".into(), "v-".into(), "v-zz".into(), String::new(), "t-ü".into()]);
        let said = decode(tags.iter().map(String::as_str));
        assert_eq!((said.version.as_str(), &said.metadata), ("latest", &node.node.metadata));
    }

    #[test]
    fn a_tag_that_grows_beyond_all_bounds_is_passed_over() {
        let bomb = tag('v', &vec![b'x'; 10 * LARGEST_TAG]).unwrap();
        assert!(bomb.len() < LARGEST_TAG);
        assert_eq!(of(&[&bomb]), Said::default());
        let padding = "k".repeat(LARGEST_TAG - 100);
        let many: Vec<_> = (0..40)
            .map(|number| tag('t', format!(r#"{{"{number}{padding}":"x"}}"#).as_bytes()).unwrap())
            .collect();
        let said = decode(many.iter().map(String::as_str));
        assert_eq!(said.metadata.len(), LARGEST_NODE / LARGEST_TAG);
    }

    #[test]
    fn endpoints_that_would_become_much_more_are_passed_over() {
        let small = tag('e', br#"{"name":"A.B"}"#).unwrap();
        let values = vec!["{}"; 20_000].join(",");
        let large =
            tag('e', format!(r#"{{"name":"A.C","request":{{"values":[{values}]}}}}"#).as_bytes()).unwrap();
        let said = of(&[&large, &large, &small]);
        assert_eq!(
            said.endpoints.iter().map(|endpoint| endpoint.name.as_str()).collect::<Vec<_>>(),
            ["A.C", "A.B"]
        );
    }

    proptest! {
        #[test]
        fn any_tags_are_read_without_harm(tags in vec("[tevm][-=][0-9a-f]{0,40}|.{0,20}", 0..10)) {
            decode(tags.iter().map(String::as_str));
        }

        #[test]
        fn any_compressed_content_is_read_without_harm(letter in "[tevm]", content in vec(any::<u8>(), 0..60)) {
            let tag = tag(letter.chars().next().unwrap(), &content).unwrap();
            of(&[&tag]);
        }

        #[test]
        fn what_is_written_is_read(
            version: String,
            metadata in btree_map(any::<String>(), any::<String>(), 0..4),
            about in btree_map(any::<String>(), any::<String>(), 0..3),
            names in vec(any::<String>(), 0..4),
        ) {
            let mut node = Registration::new("a", Node::new("a-1", "b:1"));
            (node.version, node.node.metadata, node.metadata) = (version, metadata, about);
            node.endpoints = names.into_iter().map(|name| EndpointRecord { name, ..Default::default() }).collect();
            let tags = encode(&node).unwrap();
            let said = decode(tags.iter().map(String::as_str));
            prop_assert_eq!(
                (said.version, said.metadata, said.service_metadata, said.endpoints),
                (node.version, node.node.metadata, node.metadata, node.endpoints)
            );
        }
    }
}
